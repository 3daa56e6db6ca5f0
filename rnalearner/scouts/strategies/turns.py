"""Studies or tissues that scout one after the other, each with its share of the contrasts.

Shapes: n samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import LeftOut

MAX_GROUP = 2000
"""Samples of a study or tissue that are looked at: their products are held, n x n."""


@dataclass(frozen=True, eq=False)
class Turn:
    """A group of samples, and how many contrasts it is to make."""

    name: str
    rows: np.ndarray
    places_n: np.ndarray
    """Which of all samples these are."""
    n_contrasts: int


def turns(
    kind: str,
    groups_n: np.ndarray,
    rows_n: np.ndarray,
    config: ContrastConfig,
    n_contrasts: int,
    rng: np.random.Generator,
) -> Iterator[Turn | LeftOut]:
    """Groups of `config.min_samples` or more in random order; the first have one contrast more.

    Each has one at least. `kind` names them in sentences: "study". Raises RecipeError where no group
    is large enough.
    """
    groups, counts = np.unique(groups_n, return_counts=True)
    for group, n in zip(groups, counts, strict=True):
        if n < config.min_samples:
            yield LeftOut(f"{kind} {group} did not scout: {n} samples, fewer than {config.min_samples}")
    eligible = groups[counts >= config.min_samples]
    if not len(eligible):
        many = {"study": "studies"}.get(kind, f"{kind}s")
        raise RecipeError(
            "scouting",
            f"none of {len(groups)} {many} has {config.min_samples} samples",
            "lower min_samples, or read more samples",
        )
    most = min(config.max_samples, MAX_GROUP)
    n_contrasts = max(n_contrasts, len(eligible))
    for place, group in enumerate(rng.permutation(eligible)):
        places_n = np.flatnonzero(groups_n == group)
        if len(places_n) > most:
            places_n = np.sort(rng.choice(places_n, most, replace=False))
        share = (n_contrasts - place + len(eligible) - 1) // len(eligible)
        yield Turn(str(group), rows_n[places_n], places_n, share)
