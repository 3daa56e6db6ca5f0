"""A store's samples in pieces that workers read each for themselves. Shapes: n samples, g genes."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from rnalearner.each import Each, one_by_one
from rnalearner.preprocessing.normalize import quickly_scaled
from rnalearner.shards.read import ShardStore

PIECE_ROWS = 1024
"""Samples in a piece: enough that handing it out costs nothing, few enough to spread over workers."""
BATCH_ROWS = 128
"""Samples in memory at once: enough for fast products, and 8 MB of 15,000 genes."""

Read = Callable[[np.ndarray], np.ndarray]
"""Rows -> their expression, float32 n x g, NaN = not measured; the caller may change the array."""


def pieces(rows: np.ndarray, group_starts: np.ndarray) -> list[np.ndarray]:
    """Ascending `rows` cut where row groups end, so that no row group is read for two pieces.

    A piece ends with the row group in which it reaches PIECE_ROWS samples: rows that are added behind
    change none but the last.
    """
    group_n = np.searchsorted(group_starts, rows, side="right")
    ends = [*(np.flatnonzero(np.diff(group_n)) + 1), len(rows)]
    found, start = [], 0
    for end in ends:
        if end - start >= PIECE_ROWS or (end == len(rows) and end > start):
            found.append(rows[start:end])
            start = end
    return found


def batches(rows: np.ndarray) -> Iterator[np.ndarray]:
    """`rows` a few at a time."""
    for start in range(0, len(rows), BATCH_ROWS):
        yield rows[start : start + BATCH_ROWS]


def gathered(read: Read, rows: np.ndarray, each: Each = one_by_one) -> np.ndarray:
    """What `read` says of a few `rows`, all of it in memory."""
    found_ng = np.empty((len(rows), read(rows[:1]).shape[1]), dtype=np.float32)
    done = 0
    for batch_ng in each(read, list(batches(rows))):
        found_ng[done : done + len(batch_ng)] = batch_ng
        done += len(batch_ng)
    return found_ng


class StoredValues:
    """A Read of a store's scaled expression, good to about six digits: for sums, not for bins.

    Or of its counts, with `raw`. Sent to another process it takes only the folder along, and opens the
    store there.
    """

    def __init__(self, store: ShardStore, raw: bool = False) -> None:
        self._store, self._raw = store, raw

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        counts_ng, total_n = self._store.counts(rows)
        return counts_ng if self._raw else quickly_scaled(counts_ng, total_n, self._store.preprocessing.scale)

    def __reduce__(self) -> tuple[Callable[..., "StoredValues"], tuple[Path, int, bool]]:
        return _reopened, (self._store.folder, self._store.manifest.version, self._raw)


def _reopened(folder: Path, version: int, raw: bool) -> StoredValues:
    return StoredValues(_opened(folder, version), raw)


@lru_cache(maxsize=1)
def _opened(folder: Path, version: int) -> ShardStore:
    return ShardStore.open(folder, version)
