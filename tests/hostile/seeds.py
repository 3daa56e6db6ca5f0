"""What a fuzzer changes: good tables of every layout, and small hostile ones, which lead elsewhere."""

import gzip
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa

from tests.hostile import h5ad_lies, hdf5_damage, numbers, parquet_lies, parquet_types, sparse_lies, text
from tests.hostile.files import (
    N_GENES,
    HostileFile,
    columns,
    counts_ng,
    encoded,
    genes,
    grid,
    h5ad,
    joined,
    parquet,
    replaced,
)
from tests.service.toy_tables import SAMPLES, table

_LARGEST = 30_000


@cache
def seeds(kind: str) -> list[bytes]:
    """Of one format: csv, h5 or parquet."""
    nowhere = Path("/nowhere")
    if kind == "csv":
        wide = [
            ["", *genes()],
            *([name, *map(str, row)] for name, row in zip(SAMPLES, counts_ng(), strict=True)),
        ]
        quoted = [[f'"{cell}"' for cell in row] for row in grid()]
        good = [table(), table(1, 5), table(0, 400), joined(wide), joined(grid(), "\t"), joined(quoted)]
        good += [b"#1.2\n40\t6\n" + joined(grid(), "\t"), gzip.compress(table(), mtime=0)]
        return good * 4 + _small([*text.files(), *numbers.files()])
    if kind == "h5":
        good = [h5ad(), h5ad(libver="latest"), h5ad(_packed), h5ad(_sparse), h5ad(_labelled)]
        return good * 12 + _small([*h5ad_lies.files(), *sparse_lies.files(), *hdf5_damage.files(nowhere)])
    some = columns()
    good = [parquet(some, compression=name) for name in ("none", "snappy", "zstd", "gzip")]
    good += [parquet(some, use_dictionary=False, compression="none"), parquet(some, data_page_version="2.0")]
    good += [parquet(pa.Table.from_pandas(some.to_pandas().set_index("gene")))]
    return good * 8 + _small([*parquet_lies.files(), *parquet_types.files(nowhere)])


def _small(files: list[HostileFile]) -> list[bytes]:
    """Of those that say more than that they are cut, and that end."""
    skipped = ("cut short", "ragged rows", "long lines", "many columns")
    chosen = (file for file in files if not file.kind.endswith(skipped) and "without end" not in file.name)
    return [body for file in chosen if 0 < len(body := file.body) <= _LARGEST]


def _packed(file: h5py.File) -> None:
    packing = {"chunks": (2, 13), "compression": "gzip", "shuffle": True, "fletcher32": True}
    replaced(file, "X", counts_ng().astype("f4"), **packing)


def _sparse(file: h5py.File) -> None:
    del file["X"]
    group = encoded(file.create_group("X"), "csr_matrix", "0.1.0")
    group.attrs["shape"] = np.array([len(SAMPLES), N_GENES])
    group["data"] = counts_ng().astype("f4").ravel()
    group["indices"] = np.tile(np.arange(N_GENES), len(SAMPLES))
    group["indptr"] = np.arange(len(SAMPLES) + 1) * N_GENES


def _labelled(file: h5py.File) -> None:
    group = encoded(file["obs"].create_group("group"), "categorical")
    group.attrs["ordered"] = False
    group["codes"] = np.array([0, 1, 0, 1, 0, -1], "i1")
    group["categories"] = np.array([b"a", b"b"])
    file["obs"].attrs["column-order"] = np.array([b"group"])
