"""Parquet far larger than it looks."""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.files import HostileFile, genes, parquet


@cache
def _repeated(n_rows: int, n_groups: int, kind: str, **how: Any) -> bytes:
    """One value a row, a dictionary of one entry each."""
    file = BytesIO()
    part = pa.table({"gene": pa.array(np.zeros(n_rows, kind)), "S1": pa.array(np.zeros(n_rows, kind))})
    with pq.ParquetWriter(file, part.schema, **how) as writer:
        for _ in range(n_groups):
            writer.write_table(part, row_group_size=n_rows)
    return file.getvalue()


@cache
def _names(n_rows: int) -> bytes:
    """A long name again and again."""
    name = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(n_rows, "i4")), pa.array([genes()[0] + "x" * 1000])
    )
    return parquet(pa.table({"gene": name, "S1": pa.array(np.zeros(n_rows, "i1"))}))


def files() -> Iterator[HostileFile]:
    says = "times its size|GiB|memory|rows|columns|groups|number"
    for name, make in {
        "50 million rows": lambda: _repeated(10**6, 50, "i8"),
        "200 million rows": lambda: _repeated(4 * 10**6, 50, "i1"),
        "zeros in zstd": lambda: _repeated(10**6, 60, "f8", compression="zstd", use_dictionary=False),  # type: ignore[arg-type]
        "10 GB of names": lambda: _names(10**7),
        "nulls": lambda: parquet(pa.table({"gene": pa.nulls(2 * 10**8), "S1": pa.nulls(2 * 10**8)})),
        "40,000 columns": lambda: parquet(pa.table({"gene": ["a"], **{f"S{n}": [n] for n in range(40_000)}})),
    }.items():
        yield HostileFile("Parquet bombs", f"{name}.parquet", make, says)
