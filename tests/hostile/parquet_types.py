"""Parquet of types that are not for strangers, or no numbers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.hostile.files import HostileFile, columns, genes, parquet
from tests.hostile.foreign import pickled

_TYPES = "number|extension|type|text|column|Parquet|gene"


def files(outside: Path) -> Iterator[HostileFile]:
    yield from _extensions(pickled(outside))
    yield from _types()


def _extensions(payload: bytes) -> Iterator[HostileFile]:
    def of(name: str, storage: pa.Array, told: bytes, place: int = 1) -> HostileFile:
        table = columns()
        told_by = {"ARROW:extension:name": name, "ARROW:extension:metadata": told}
        field = pa.field(table.schema.field(place).name, storage.type, metadata=told_by)
        body = parquet(table.set_column(place, field, storage))
        return HostileFile("extension types", f"{name} {storage.type} {place}.parquet", body, _TYPES)

    numbers = pa.array(np.arange(40))
    lists = pa.array([[1, 2]] * 40, pa.list_(pa.int64(), 2))
    packed = pa.array([payload] * 40, pa.binary())
    for name in (
        "ray.data.arrow_tensor",
        "ray.data.arrow_tensor_v2",
        "ray.data.arrow_pickled_object",
        "arrow.py_extension_type",
    ):
        for storage in (numbers, lists, packed):
            yield of(name, storage, payload)
    yield of("arrow.py_extension_type", pa.array(genes()), payload, 0)
    yield of("ray.data.arrow_variable_shaped_tensor", lists, b'{"ndim": 2}')
    yield of("arrow.fixed_shape_tensor", lists, b'{"shape": [2]}')
    yield of("arrow.json", pa.array(["{}"] * 40), b"")
    yield of("arrow.uuid", pa.array([b"0" * 16] * 40, pa.binary(16)), b"")
    yield of("arrow.opaque", numbers, b'{"type_name": "x", "vendor_name": "y"}')
    yield of("arrow.bool8", pa.array([1] * 40, pa.int8()), b"")
    yield of("pandas.period", numbers, b'{"freq": "D"}')
    yield of("nobody.knows", numbers, payload)


def _types() -> Iterator[HostileFile]:
    number = np.arange(40)
    for name, values in {
        "lists": pa.array([[1, 2, 3]] * 40),
        "structures": pa.array([{"a": 1}] * 40),
        "maps": pa.array([[("a", 1)]] * 40, pa.map_(pa.string(), pa.int64())),
        "timestamps": pa.array(number, pa.timestamp("us")),
        "dates": pa.array(number.astype("i4"), pa.date32()),
        "times": pa.array(number, pa.time64("us")),
        "booleans": pa.array([True, False] * 20),
        "bytes": pa.array([b"1"] * 40),
        "fixed bytes": pa.array([b"1234"] * 40, pa.binary(4)),
        "nulls": pa.nulls(40),
        "words": pa.array(["1"] * 40),
        "durations": pa.array(number, pa.duration("s")),
    }.items():
        body = parquet(pa.table({"gene": genes(), **{f"S{sample}": values for sample in range(6)}}))
        yield HostileFile("Parquet without numbers", f"{name}.parquet", body, _TYPES)
