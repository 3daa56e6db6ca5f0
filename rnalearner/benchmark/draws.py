"""Random few-shot draws, the same for every arm and every program that follows the protocol.

They depend on the task's name, on k and on the sheet alone. Fewer draws are a prefix of more.
"""

import itertools
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.spreadsheet import write_csv

KS = (1, 2, 3, 6)
"""Training samples a group."""
LISTED = 5000
"""With no more possible draws than this, they are listed and shuffled, so that none is missed."""
TRIES = 200
"""Draws looked at for each that is wanted, where they are too many to list."""
MIN_TESTED = 2
"""Test samples of each group that a draw must leave."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Rows of the training side, the positive group's first, and rows of the test side."""

    number: int
    train_rows: np.ndarray
    test_rows: np.ndarray


def draws(loaded: LoadedTask, k: int, n: int) -> list[Draw]:
    """Up to `n` distinct draws of `k` samples a group; none where the task has too few samples.

    Tested are all other samples of the two groups whose subject is not in the draw.
    """
    found: list[Draw] = []
    seen: set[tuple[int, ...]] = set()
    train_subjects, test_subjects = np.array(loaded.train.subjects), np.array(loaded.test.subjects)
    y_m = loaded.test.y_n
    for train_rows in _candidates(loaded, k, n):
        key = tuple(sorted(train_rows.tolist()))
        if key in seen:
            continue
        seen.add(key)
        unseen_m = ~np.isin(test_subjects, train_subjects[train_rows])
        test_rows = np.flatnonzero(unseen_m & ~np.isnan(y_m))
        if min((y_m[test_rows] == group).sum() for group in (0, 1)) >= MIN_TESTED:
            found.append(Draw(len(found), train_rows, test_rows))
        if len(found) == n:
            break
    return found


def _candidates(loaded: LoadedTask, k: int, n: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(f"{loaded.name}|{k}".encode()))
    positive, negative = (np.flatnonzero(loaded.train.y_n == group) for group in (1, 0))
    if min(len(positive), len(negative)) < k:
        return
    possible = math.comb(len(positive), k) * math.comb(len(negative), k)
    if possible <= LISTED:
        of_group = [list(itertools.combinations(group, k)) for group in (positive, negative)]
        listed = list(itertools.product(*of_group))
        for i in rng.permutation(possible):
            yield np.concatenate(listed[i])
        return
    for _ in range(TRIES * n):
        of_positive = rng.choice(positive, k, replace=False)
        yield np.concatenate([of_positive, rng.choice(negative, k, replace=False)])


def draws_table(loaded: LoadedTask, k: int, drawn: Sequence[Draw]) -> pd.DataFrame:
    """Columns task, k, draw, train, test: names of the samples, joined by `|`."""
    rows = [
        (
            loaded.name,
            k,
            draw.number,
            "|".join(loaded.train.samples[row] for row in draw.train_rows),
            "|".join(loaded.test.samples[row] for row in draw.test_rows),
        )
        for draw in drawn
    ]
    return pd.DataFrame(rows, columns=["task", "k", "draw", "train", "test"])


def write_draws(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """All `draws_table`s under each other, as `draws.csv`."""
    write_csv(path, pd.concat(tables, ignore_index=True))
