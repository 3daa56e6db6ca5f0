"""A contrast: two groups of samples that a scout tells apart.

Shapes: n samples, g genes of the samples it was made from. Rows are global rows of the shards.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Contrast:
    """What every strategy makes, and what encoder scouts and gene-level scouts learn from."""

    name: str
    """In words."""
    inside: str
    """The study or tissue that both groups are of; "" where that is the whole corpus."""
    rows_a: np.ndarray
    rows_b: np.ndarray
    learns_g: np.ndarray | None = None
    """True for genes that may learn: the others chose the two groups, and would find what they were
    told. None where no gene chose."""


@dataclass(frozen=True)
class LeftOut:
    """A sentence on samples that do not scout."""

    sentence: str


def held_out_split(
    contrast: Contrast, share: float, rng: np.random.Generator, most: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hold out `share` of each side: (train rows, train y, held-out rows, held-out y), y 1 for side b.

    Either part has one sample of either side at least, so a side needs two. Of the held-out samples no
    more than `most` are asked, both sides alike; the others take no part.
    """
    train, held = [], []
    for rows in (contrast.rows_a, contrast.rows_b):
        if len(rows) < 2:
            raise ValueError(f"{contrast.name} has a side of fewer than two samples")
        shuffled = rng.permutation(rows)
        n_held = min(max(round(share * len(rows)), 1), len(rows) - 1)
        held.append(shuffled[:n_held] if most is None else shuffled[: min(n_held, max(most // 2, 1))])
        train.append(shuffled[n_held:])
    return *_labelled(train), *_labelled(held)


def _labelled(sides: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(sides), np.repeat(np.arange(2), [len(rows) for rows in sides])
