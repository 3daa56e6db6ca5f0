"""A file that nobody should take, and the good ones that such files are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.service.toy_tables import SAMPLES, table

N_GENES = 40
_NUMBER = count()
"""HDF5 takes two files of one name for one file, in memory too."""


@dataclass(frozen=True)
class HostileFile:
    """What is posted, and what must be said of it."""

    kind: str
    """Its class."""
    name: str
    """What its sender calls it."""
    content: bytes | Callable[[], bytes]
    """Bytes, or how they are made: large ones only when they are asked for."""
    says: str
    """Pattern of which the answer's detail holds a match, in any case of letters."""
    labels: bytes | Callable[[], bytes] | None = None
    """Its sheet, where that is the fault."""

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content()

    @property
    def sheet(self) -> bytes | None:
        return self.labels() if callable(self.labels) else self.labels


def grid(n_genes: int = N_GENES) -> list[list[str]]:
    """Cells of a good table of six samples, header first, genes in rows."""
    return [line.split(",") for line in table(0, n_genes).decode().split()]


def joined(cells: list[list[str]], delimiter: str = ",") -> bytes:
    return "".join(delimiter.join(row) + "\n" for row in cells).encode()


def with_cell(text: str, row: int = 8, column: int = 3) -> bytes:
    """A good table but for one cell."""
    cells = grid()
    cells[row][column] = text
    return joined(cells)


def counts_ng() -> np.ndarray:
    """Counts of the good table, int64 n x g."""
    return np.array([row[1:] for row in grid()[1:]], dtype=np.int64).T


def genes() -> list[str]:
    return [row[0] for row in grid()[1:]]


def scaled(value: Callable[[float], object]) -> bytes:
    """The good table with every count changed."""
    cells = grid()
    return joined(
        [cells[0], *([row[0], *(str(value(float(cell))) for cell in row[1:])] for row in cells[1:])]
    )


def h5ad(change: Callable[[h5py.File], object] = lambda file: None, **how: Any) -> bytes:
    """A good h5ad with dense X, written without anndata, and then changed. `how` is for HDF5's file."""
    with h5py.File(f"memory {next(_NUMBER)}", "w", driver="core", backing_store=False, **how) as file:
        encoded(file, "anndata", "0.1.0")
        encoded(file.create_dataset("X", data=counts_ng().astype("f4")), "array")
        frame(file, "obs", SAMPLES)
        frame(file, "var", genes())
        change(file)
        file.flush()
        return bytes(file.id.get_file_image())


def frame(file: h5py.File, place: str, names: list[str]) -> h5py.Group:
    """A data frame without columns."""
    group = encoded(file.create_group(place), "dataframe")
    group.attrs["_index"] = "_index"
    group.attrs["column-order"] = np.array([], dtype="S1")
    encoded(group.create_dataset("_index", data=names, dtype=h5py.string_dtype()), "string-array")
    return group


def encoded(item: Any, kind: str, version: str = "0.2.0") -> Any:
    """What anndata says of its parts."""
    item.attrs["encoding-type"], item.attrs["encoding-version"] = kind, version
    return item


def replaced(file: h5py.File, place: str, data: Any = None, **how: Any) -> h5py.Dataset:
    """Another array in the place of one."""
    if place in file:
        del file[place]
    made: h5py.Dataset = encoded(file.create_dataset(place, data=data, **how), "array")
    return made


def columns(n_genes: int = N_GENES) -> pa.Table:
    """The good table, a column a sample."""
    cells = np.array(grid(n_genes))
    numbers = {name: pa.array(cells[1:, c].astype("i8")) for c, name in enumerate(cells[0]) if c}
    return pa.table({"gene": pa.array(cells[1:, 0].tolist()), **numbers})


def parquet(data: pa.Table, **how: Any) -> bytes:
    file = BytesIO()
    pq.write_table(data, file, **how)
    return file.getvalue()


def offsets(length: int, number: int = 64) -> list[int]:
    """Where to cut: the first byte, the last, and evenly between them."""
    return sorted({int(place) for place in np.linspace(1, length - 1, number)})
