"""Counts to Parquet shards, one row group in memory at a time. Shapes: n samples, g genes."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnalearner.config.preprocessing import PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CountsError
from rnalearner.publish import publish_folder
from rnalearner.shards.manifest import FileEntry, Manifest, ShardEntry, obs_name, shard_name
from rnalearner.shards.obs import checked_obs, joined_obs


def shard_schema(n_genes: int) -> pa.Schema:
    """Columns of a shard. Without null flags counts decode 1.4 times as fast: NaN is "not measured"."""
    counts = pa.list_(pa.field("element", pa.float32(), nullable=False), n_genes)
    columns = {"sample": pa.string(), "study": pa.string(), "total": pa.float64(), "counts": counts}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


class ShardFile:
    """One shard while it is written to `path`, which only `close` makes whole.

    Counts are kept as given (float32, NaN = not measured): bins and scaled values are made at reading,
    so that they never go stale.
    """

    def __init__(
        self, path: Path, gene_set: GeneSet, rows_per_group: int, seen: set[tuple[str, str]] | None = None
    ) -> None:
        """`seen`: study and sample of what shards beside this one hold; its own are added."""
        self.path, self.n_rows = path, 0
        self._gene_set, self._schema = gene_set, shard_schema(len(gene_set))
        self._group_ng = np.empty((rows_per_group, len(gene_set)), np.float32)
        self._identity: list[tuple[str, str, float]] = []  # sample, study, total of the group's rows
        self._seen = set() if seen is None else seen
        self._group_rows: list[int] = []
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, counts_ng: np.ndarray, obs: pd.DataFrame) -> None:
        """Append samples: counts n×g in the order of the gene set, and their n rows of checked `obs`.

        Raises CountsError for a sample given twice, negative or infinite counts, a sample without
        any measured gene, or a shape that does not fit.
        """
        _check_counts(counts_ng, obs, self._gene_set, self.path)
        identity = [
            (str(sample), str(study), float(total))
            for sample, study, total in zip(obs["sample"], obs["study"], obs["total"], strict=True)
        ]
        for sample, study, _ in identity:
            if (study, sample) in self._seen:
                raise CountsError(f"study {study}", f"sample {sample} is given twice", "keep one of them")
            self._seen.add((study, sample))
        done = 0
        while done < len(counts_ng):
            filled = len(self._identity)
            taken_ng = counts_ng[done : done + len(self._group_ng) - filled]
            self._group_ng[filled : filled + len(taken_ng)] = taken_ng
            self._identity += identity[done : done + len(taken_ng)]
            done += len(taken_ng)
            if len(self._identity) == len(self._group_ng):
                self._write_group()
        self.n_rows += len(counts_ng)

    def _write_group(self) -> None:
        sample, study, total = zip(*self._identity, strict=True)
        n = len(self._identity)
        counts = pa.FixedSizeListArray.from_arrays(
            pa.array(self._group_ng[:n].ravel()), type=self._schema.field("counts").type
        )
        columns = [pa.array(sample), pa.array(study), pa.array(total), counts]
        self._file.write_table(pa.Table.from_arrays(columns, schema=self._schema), row_group_size=n)
        self._group_rows.append(n)
        self._identity = []

    def close(self) -> tuple[int, ...]:
        """End the file; the samples in each of its row groups."""
        if self._identity:
            self._write_group()
        self._file.close()
        return tuple(self._group_rows)

    def abandon(self) -> None:
        self._file.close()


class ShardWriter:
    """Write a whole folder of shards, which appears, complete, only when the `with` block ends well.

    `obs` needs the columns in `obs.REQUIRED` and may have others, which may differ between calls.
    """

    def __init__(
        self, folder: Path, gene_set: GeneSet, preprocessing: PreprocessingConfig, config: ShardConfig
    ) -> None:
        self._target, self._gene_set, self._preprocessing = folder, gene_set, preprocessing
        self._config = config
        self._obs: list[pd.DataFrame] = []
        self._seen: set[tuple[str, str]] = set()
        self._file: ShardFile | None = None
        self._shards: list[ShardEntry] = []
        self._publishing = publish_folder(folder)

    def __enter__(self) -> "ShardWriter":
        self._folder = self._publishing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException as failure:
                self._publishing.__exit__(type(failure), failure, failure.__traceback__)
                raise
        elif self._file is not None:
            self._file.abandon()
        self._publishing.__exit__(kind, error, trace)

    def add(self, counts_ng: np.ndarray, obs: pd.DataFrame) -> None:
        """Append samples; a shard ends at `rows_per_shard` of them. Raises what ShardFile.add raises,
        and CountsError for missing columns."""
        obs = checked_obs(obs, self._target)
        _check_shape(counts_ng, obs, self._gene_set, self._target)
        self._obs.append(obs)
        done = 0
        while done < len(counts_ng):
            if self._file is None:
                rows = min(self._config.rows_per_group, self._config.rows_per_shard)
                path = self._folder / shard_name(len(self._shards))
                self._file = ShardFile(path, self._gene_set, rows, self._seen)
            room = self._config.rows_per_shard - self._file.n_rows
            self._file.add(counts_ng[done : done + room], obs.iloc[done : done + room].reset_index(drop=True))
            done += room
            if self._file.n_rows == self._config.rows_per_shard:
                self._close_shard()

    def _close_shard(self) -> None:
        if self._file is not None:
            self._shards.append(shard_entry(self._file.path, self._file.close()))
            self._file = None

    def _finish(self) -> None:
        self._close_shard()
        if not self._shards:
            raise CountsError(self._folder, "no sample was kept", "see the reasons in the ingest report")
        obs = joined_obs(self._obs)
        finish_folder(self._folder, self._gene_set, self._preprocessing, obs, self._shards)


def shard_entry(path: Path, group_rows: tuple[int, ...]) -> ShardEntry:
    return ShardEntry(**FileEntry.of(path).model_dump(), group_rows=group_rows)


def finish_folder(
    folder: Path,
    gene_set: GeneSet,
    preprocessing: PreprocessingConfig,
    obs: pd.DataFrame,
    shards: Sequence[ShardEntry],
    before: Manifest | None = None,
) -> Manifest:
    """Write the table of samples and, last, the manifest: the first, or the one after `before`."""
    path = folder / obs_name(1 if before is None else before.version + 1)
    obs.to_parquet(path, index=False)
    entry = FileEntry.of(path)
    if before is not None:
        manifest = before.grown(entry, tuple(shards))
    else:
        manifest = Manifest(
            gene_set=gene_set.sha256,
            n_genes=len(gene_set),
            preprocessing=preprocessing,
            n_obs=sum(shard.n_obs for shard in shards),
            obs=(entry,),
            shards=tuple(shards),
        )
    manifest.save(folder, gene_set)
    return manifest


def _check_shape(counts_ng: np.ndarray, obs: pd.DataFrame, gene_set: GeneSet, where: Path) -> None:
    if counts_ng.shape != (len(obs), len(gene_set)):
        what = f"counts are {counts_ng.shape} for {len(obs)} samples and {len(gene_set)} genes"
        raise CountsError(where, what, "align the counts to the gene set first")


def _check_counts(counts_ng: np.ndarray, obs: pd.DataFrame, gene_set: GeneSet, path: Path) -> None:
    _check_shape(counts_ng, obs, gene_set, path)
    for row, counts_g in enumerate(counts_ng):  # by row: no second copy of a large table
        where = f"study {obs['study'][row]}, sample {obs['sample'][row]}"
        bad_g = (counts_g < 0) | np.isinf(counts_g)
        if bad_g.any():
            what = f"gene {gene_set.ids[int(bad_g.argmax())]} has count {counts_g[bad_g][0]}"
            raise CountsError(where, what, "give counts that are finite and not negative")
        if np.isnan(counts_g).all():
            what = "none of its genes is in the gene set"
            raise CountsError(where, what, "check species and gene ids, or leave it out")
