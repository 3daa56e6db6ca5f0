"""Parquet cut short, scribbled over, or a table of no counts."""

import struct
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tests.hostile.files import HostileFile, columns, genes, offsets, parquet

_DAMAGED = "Parquet|UTF-8|table|gene|damaged|GiB"


def files() -> Iterator[HostileFile]:
    whole = parquet(columns(200), compression="none")
    for place in offsets(len(whole)):
        yield HostileFile("Parquet cut short", f"at {place}.parquet", whole[:place], _DAMAGED)
    yield from _scribbled(whole)
    yield from _tables()


def _scribbled(whole: bytes) -> Iterator[HostileFile]:
    length = struct.unpack("<I", whole[-8:-4])[0]
    data, footer = whole[: -8 - length], whole[-8 - length : -8]

    def ended(new: bytes, says: int | None = None, magic: bytes = b"PAR1") -> bytes:
        return data + new + struct.pack("<I", len(new) if says is None else says) + magic

    for name, body in {
        "magic alone": b"PAR1",
        "magic twice": b"PAR1PAR1",
        "no footer": b"PAR1" + struct.pack("<I", 0) + b"PAR1",
        "noise": b"PAR1" + np.random.default_rng(2).bytes(5000) + b"PAR1",
        "footer of zero": ended(footer, 0),
        "footer too long": ended(footer, 2**31 - 1),
        "footer negative": ended(footer, 2**32 - 5),
        "footer of the file": ended(footer, len(data) + len(footer) + 1),
        "footer short by one": ended(footer, len(footer) - 1),
        "encrypted footer": ended(footer, magic=b"PARE"),
        "encrypted": b"PARE" + ended(footer, magic=b"PARE")[4:],
        "other magic": ended(footer, magic=b"PAR2"),
        "footer of noise": ended(np.random.default_rng(3).bytes(len(footer))),
        "footer of zeros": ended(b"\0" * len(footer)),
        "deep structures": ended(b"\x1c" * 200_000),
        "deep lists": ended(b"\x19" * 200_000),
        "long list": ended(b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07"),
        "long text": ended(b"\x15\x02\x18\xff\xff\xff\xff\x07"),
        "pages of zeros": b"PAR1" + b"\0" * (len(data) - 4) + footer + whole[-8:],
        "pages of ones": b"PAR1" + b"\xff" * (len(data) - 4) + footer + whole[-8:],
        "rows that are not there": ended(
            footer.replace(b"\x16\x90\x03", b"\x16\x80\xc0\xca\xf3\x84\xa3\x02")
        ),
        "pages missing": b"PAR1" + footer + whole[-8:],
        "pages twice": data + data[4:] + footer[:-1] + whole[-8:],
    }.items():
        yield HostileFile("Parquet scribbled over", f"{name}.parquet", body, _DAMAGED)
    yield HostileFile(
        "Parquet scribbled over", "dictionary too short.parquet", _beyond_dictionary(), _DAMAGED
    )


def _beyond_dictionary() -> bytes:
    """A column of one value, whose pages ask for the second."""
    n_genes = 1000
    schema = pa.schema([pa.field("gene", pa.string()), pa.field("S1", pa.int64(), nullable=False)])
    names = [f"ENSMUSG{number:011d}" for number in range(n_genes)]
    table = pa.table([pa.array(names), pa.array([5] * n_genes)], schema=schema)
    body = parquet(table, compression="none", use_dictionary=["S1"], write_statistics=False)
    run = bytes([n_genes << 1 & 0x7F | 0x80, n_genes << 1 >> 7])
    for width in (0, 1):
        page = bytes([width]) + run
        if body.count(page) == 1:
            return (
                body.replace(page + b"\0", b"\x01" + run + b"\x01")
                if width
                else body.replace(page, b"\x08" + run)
            )
    raise AssertionError("Arrow writes dictionaries otherwise")


def _tables() -> Iterator[HostileFile]:
    table = columns()
    names = table.column_names

    def with_column(values: pa.Array, place: int = 2) -> bytes:
        return parquet(table.set_column(place, names[place], values))

    number = [float(value) for value in range(40)]
    said = {b"pandas": b'{"index_columns": ["gene"'}
    for name, body, says in (
        ("samples twice", parquet(table.rename_columns([*names[:-1], names[1]])), "twice"),
        ("all samples alike", parquet(table.rename_columns(["gene", *["S1"] * 6])), "twice"),
        ("genes twice", parquet(pa.concat_tables([table, table])), "twice"),
        ("no rows", parquet(table.slice(0, 0)), "empty"),
        ("no columns", parquet(table.select([])), "empty|Parquet"),
        ("genes alone", parquet(table.select(["gene"])), "number"),
        ("counts alone", parquet(table.select(names[1:])), "gene"),
        ("null", with_column(pa.array([None, *number[1:]])), "missing"),
        ("all null", with_column(pa.array([None] * 40, pa.int64())), "missing"),
        ("NaN", with_column(pa.array([float("nan"), *number[1:]])), "missing"),
        ("infinite", with_column(pa.array([float("inf"), *number[1:]])), "infinite"),
        ("negative", with_column(pa.array([-1, *range(39)])), "negative"),
        ("2^62", with_column(pa.array([2**62, *range(39)])), "infinite"),
        (
            "logarithms",
            parquet(pa.table({"gene": genes(), "S1": [value / 3 for value in number]})),
            "logarithm",
        ),
        ("unknown genes", with_column(pa.array([f"g{value}" for value in range(40)]), 0), "gene"),
        ("null genes", with_column(pa.nulls(40, pa.string()), 0), "gene|twice"),
        ("half a letter", _half_a_letter(), "UTF-8|gene|Parquet"),
        (
            "name of a million letters",
            parquet(table.rename_columns([*names[:-1], "S" * 10**6])),
            "name|letters|longer",
        ),
        ("index that is cut", parquet(table.replace_schema_metadata(said)), "pandas|index|metadata|Parquet"),
        (
            "index of nothing",
            parquet(table.replace_schema_metadata({b"pandas": b"7"})),
            "pandas|index|metadata|Parquet",
        ),
        (
            "index too deep",
            parquet(table.replace_schema_metadata({b"pandas": b"[" * 10**6})),
            "pandas|index|metadata|Parquet",
        ),
    ):
        yield HostileFile("Parquet tables that are none", f"{name}.parquet", body, says)


def _half_a_letter() -> bytes:
    """Text that is no UTF-8: the type of a column said so, and nobody looked."""
    body = parquet(columns(), compression="none", use_dictionary=False, write_statistics=False)
    return body.replace(b"ENSMUSG00000000007", b"ENSMUSG0000000000\xe2")
