"""Samples from Parquet shards: row groups in, counts, scaled values or bins out."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnalearner.config.preprocessing import PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.preprocessing import pipeline
from rnalearner.preprocessing.binning import BinVocabulary
from rnalearner.shards.manifest import REMAKE, FileEntry, Manifest
from rnalearner.shards.obs import joined_obs
from rnalearner.shards.sampling import EpochPlan

CACHED_GROUPS = 4


class ShardStore:
    """A folder of shards, open for reading; a global row is a sample's place in `obs`.

    Reads whole row groups and keeps the last CACHED_GROUPS of them: memory does not grow with the
    store. Each file is checked against its sha256 the first time that it is read. Threads may read side
    by side.
    """

    def __init__(self, folder: Path, manifest: Manifest, gene_set: GeneSet, obs: pd.DataFrame) -> None:
        self.folder, self.manifest, self.gene_set, self.obs = folder, manifest, gene_set, obs
        sizes = [rows for shard in manifest.shards for rows in shard.group_rows]
        self.group_starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        """First global row of each row group, and the row after the last: what EpochPlan needs."""
        self._place = [(shard, g) for shard in manifest.shards for g in range(len(shard.group_rows))]
        self._verified: set[str] = set()
        self._cache: OrderedDict[int, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, version: int | None = None) -> "ShardStore":
        """Check manifest (the newest), genes, sizes of all files and the tables of samples; read no counts
        yet. Raises CheckpointError naming the file that is missing or damaged.
        """
        manifest, gene_set = Manifest.load(folder, version)
        parts = [_read_obs(folder, entry) for entry in manifest.obs]
        obs = parts[0] if len(parts) == 1 else joined_obs(parts)
        if len(obs) != manifest.n_obs or sum(shard.n_obs for shard in manifest.shards) != len(obs):
            raise CheckpointError(
                folder / manifest.obs[-1].name, "does not list the samples of the shards", REMAKE
            )
        return cls(folder, manifest, gene_set, obs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_cache": OrderedDict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def preprocessing(self) -> PreprocessingConfig:
        return self.manifest.preprocessing

    @property
    def vocabulary(self) -> BinVocabulary:
        return BinVocabulary(self.preprocessing.n_bins)

    @property
    def n_obs(self) -> int:
        return self.manifest.n_obs

    def verify(self) -> None:
        """Check every file against its sha256; raises CheckpointError naming the first that differs."""
        for entry in (*self.manifest.obs, *self.manifest.shards):
            entry.check_bytes(self.folder)

    def counts(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts n×g (float32, NaN = not measured) and totals n (all genes of the sample's file).

        `rows` are global rows in any order; only their row groups are read, each once.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.n_obs):
            raise IndexError(f"rows must lie in 0..{self.n_obs - 1}, got {rows.min()}..{rows.max()}")
        counts_ng = np.empty((len(rows), len(self.gene_set)), np.float32)
        total_n = np.empty(len(rows))
        group_n = np.searchsorted(self.group_starts, rows, side="right") - 1
        for group in np.unique(group_n):
            wanted = np.flatnonzero(group_n == group)
            group_counts, group_total = self._group(int(group))
            local = rows[wanted] - self.group_starts[group]
            counts_ng[wanted], total_n[wanted] = group_counts[local], group_total[local]
        return counts_ng, total_n

    def values(self, rows: np.ndarray) -> np.ndarray:
        """Scaled expression n×g on the store's scale (float32, NaN = not measured)."""
        return pipeline.values(*self.counts(rows), self.preprocessing)

    def tokens(self, rows: np.ndarray) -> np.ndarray:
        """Bins n×g (uint8; `vocabulary.pad` = not measured)."""
        return pipeline.tokens(*self.counts(rows), self.preprocessing)

    def iter_rows(
        self, rows: np.ndarray, batch_size: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(rows, counts n×g, totals n) for `rows` in their order, `batch_size` at a time.

        Cheap where `rows` ascend: then each row group is decoded once.
        """
        rows = np.asarray(rows, dtype=np.int64)
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            yield (batch, *self.counts(batch))

    def iter_plan(
        self, plan: EpochPlan, start: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(rows, counts n×g, totals n) for `plan.batches(start)`, a window of row groups in memory."""
        size = plan.batch_size
        rows, counts_ng, total_n = self._no_rows()
        for window in plan.windows(start):
            window_ng, window_n = self.counts(window)
            rows = np.concatenate([rows, window])
            counts_ng = np.concatenate([counts_ng, window_ng]) if len(counts_ng) else window_ng
            total_n = np.concatenate([total_n, window_n])
            whole = len(rows) // size * size
            for i in range(0, whole, size):
                yield rows[i : i + size], counts_ng[i : i + size], total_n[i : i + size]
            # Copied, so that the few rows carried over do not keep the window alive.
            rows, counts_ng, total_n = rows[whole:], counts_ng[whole:].copy(), total_n[whole:]

    def _no_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.empty(0, np.int64), np.empty((0, len(self.gene_set)), np.float32), np.empty(0)

    def _group(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            if group in self._cache:
                self._cache.move_to_end(group)
                return self._cache[group]
        shard, group_in_shard = self._place[group]
        self._check(shard)
        path = self.folder / shard.name
        try:
            with pq.ParquetFile(path) as file:
                table = file.read_row_group(group_in_shard, columns=["total", "counts"], use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise CheckpointError(path, f"cannot be read ({error})", REMAKE) from None
        flat = table.column("counts").combine_chunks().flatten().to_numpy()
        decoded = flat.reshape(table.num_rows, len(self.gene_set)), table.column("total").to_numpy()
        with self._lock:
            self._cache[group] = decoded
            while len(self._cache) > CACHED_GROUPS:
                self._cache.popitem(last=False)
        return decoded

    def _check(self, shard: FileEntry) -> None:
        """Every byte, once; of several threads each checks what it is the first to need."""
        if shard.name not in self._verified:
            shard.check_bytes(self.folder)
            self._verified.add(shard.name)


def _read_obs(folder: Path, entry: FileEntry) -> pd.DataFrame:
    entry.check_bytes(folder)
    return pd.read_parquet(folder / entry.name)
