"""A Parquet table of counts: genes x samples or samples x genes, ids in the index or in a column.

The canonical one, which is made of any other and of which nothing needs to be guessed, has a marker in its
footer: its first column names genes, every other is a sample. Shapes: r rows and c count columns of the file.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnalearner.counts.arrangement import Arrangement, arrange
from rnalearner.counts.bounds import refuse_bomb
from rnalearner.counts.genes import GeneTable
from rnalearner.counts.opening import short
from rnalearner.counts.text import RawCounts
from rnalearner.errors import CountsError, InputError

_MARK = {b"rnalearner": b"genes x samples"}


def write_canonical(raw: RawCounts, path: Path) -> None:
    """All genes that a table names, known or not, and their counts: what is read of it is the same."""
    columns = [pa.array(raw.genes, pa.string()), *(pa.array(counts_g) for counts_g in raw.counts_ng)]
    table = pa.Table.from_arrays(columns, ["gene", *raw.samples])
    # Without Arrow's own schema: no type of it that a reader would have to load.
    with pq.ParquetWriter(path, table.schema, store_schema=False, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(_MARK)


def read_parquet(path: Path, genes: GeneTable | None) -> RawCounts:
    """Raises CountsError where the file is missing, damaged, a bomb, or has no column of numbers."""
    try:
        return _read(path, genes)
    except FileNotFoundError:
        raise CountsError(path, "there is no such file", "correct the path") from None
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes of a parser
        reason = short(str(error) or type(error).__name__)
        raise CountsError(path, f"cannot be read as Parquet ({reason})", "write or fetch it again") from None


def _read(path: Path, genes: GeneTable | None) -> RawCounts:
    with pq.ParquetFile(path) as file:
        found, size = file.metadata, path.stat().st_size
        refuse_bomb(path, found.num_rows * found.num_columns * 8, size)
        is_canonical = _MARK.items() <= (found.metadata or {}).items()
        if any(
            b"ARROW:extension:name" in (field.metadata or {}) or isinstance(field.type, pa.BaseExtensionType)
            for field in file.schema_arrow
        ):
            what = "holds a column of an extension type"
            raise CountsError(path, what, "store names as text and counts as numbers")
        table = file.read()
    if table.num_rows == 0 or table.num_columns == 0:
        raise CountsError(path, "is empty", "give a table of genes and samples")
    order = _index_first(table.schema)
    # By position, because names may come twice; read.py says which.
    header = [table.schema.field(c).name for c in order]
    kinds = [table.schema.field(c).type for c in order]
    numbers = tuple(j for j, kind in enumerate(kinds) if j > 0 and _is_number(kind))
    named = {j: _texts(table.column(order[j])) for j, kind in enumerate(kinds) if j == 0 or _is_text(kind)}
    if not numbers:
        raise CountsError(path, "has no column of numbers", "store counts as integers or floats")
    if is_canonical and len(numbers) == len(header) - 1:
        found = Arrangement(tuple(header), 0, numbers, "rows")
    else:
        found = arrange(path, header, named, numbers, genes)
    counts_rc = np.empty((table.num_rows, len(found.numbers)))
    for position, j in enumerate(found.numbers):
        counts_rc[:, position] = _numbers(table.column(order[j]))
    names = [name.strip() for name in named[found.label]]
    columns = [found.columns[j].strip() for j in found.numbers]
    notes = {"columns_left_out": [name for name in found.left_out if name]}
    if found.genes_in == "rows":
        return RawCounts(path, counts_rc.T, columns, names, "genes x samples", notes=notes)
    return RawCounts(path, counts_rc, names, columns, "samples x genes", notes=notes)


def _index_first(schema: pa.Schema) -> list[int]:
    """Columns with what pandas stored as the index, behind the others, in front."""
    stored = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    index = [name for name in stored.get("index_columns", []) if isinstance(name, str)]
    first = [c for c, name in enumerate(schema.names) if name in index]
    return [*first, *(c for c in range(len(schema)) if c not in set(first))]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _texts(column: pa.ChunkedArray) -> Sequence[str]:
    return ["" if value is None else str(value) for value in column.to_pylist()]


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """float64 r; a null is NaN, which read.py refuses by gene and sample."""
    return np.asarray(column.to_numpy(), dtype=np.float64)
