"""HDF5 cut short, scribbled over, or of types that no table of counts has."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from tests.hostile.files import HostileFile, counts_ng, encoded, h5ad, offsets, replaced
from tests.hostile.foreign import pickled

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SAYS = "h5ad|UTF-8|damaged|HDF5|table|gene|could not be read within"
_SHAPE = (6, 40)


def files(outside: Path) -> Iterator[HostileFile]:
    whole = h5ad()
    for place in offsets(len(whole)):
        yield HostileFile("HDF5 cut short", f"at {place}.h5ad", whole[:place], _SAYS)
    yield from _scribbled(whole)
    for change, name in _types(pickled(outside)):
        says = "number|type|h5ad|matrix|string|genes|dimension|link|reference|object"
        yield HostileFile("HDF5 types", f"{name}.h5ad", lambda change=change: h5ad(change), says)


def _scribbled(whole: bytes) -> Iterator[HostileFile]:
    def patched(place: int, new: bytes) -> bytes:
        return whole[:place] + new + whole[place + len(new) :]

    latest = h5ad(libver="latest")
    for name, body in {
        "signature alone": _SIGNATURE,
        "zeros": _SIGNATURE + b"\0" * 4096,
        "ones": _SIGNATURE + b"\xff" * 4096,
        "noise": _SIGNATURE + np.random.default_rng(1).bytes(50_000),
        "signatures": _SIGNATURE * 5000,
        "superblock 9": patched(8, b"\x09"),
        "size of offsets 0": patched(13, b"\0"),
        "size of offsets 255": patched(13, b"\xff"),
        "size of lengths 7": patched(14, b"\x07"),
        "end of file": patched(40, struct.pack("<Q", 2**40)),
        "root beyond the end": patched(64, struct.pack("<Q", 2**50)),
        "root at the superblock": patched(64, struct.pack("<Q", 0)),
        "checksum of version 3": latest[:44] + bytes([latest[44] ^ 1]) + latest[45:],
        "object header of zeros": patched(96, b"\0" * 200),
        "trees of zeros": whole.replace(b"TREE", b"\0\0\0\0"),
        "heaps of zeros": whole.replace(b"HEAP", b"XXXX"),
        "nodes of zeros": whole.replace(b"SNOD", b"SN\0\0"),
        "global heaps": whole.replace(b"GCOL", b"\0\0\0\0"),
        "heap without end": _endless(whole),
        "no group": b"".join([latest[:48], b"OHDR", latest[52:60], b"\0" * (len(latest) - 60)]),
    }.items():
        yield HostileFile("HDF5 scribbled over", f"{name}.h5ad", body, _SAYS)


def _endless(whole: bytes) -> bytes:
    """What is free in its global heap is of size 0: libhdf5 looks there for ever for what comes next."""
    place = whole.index(b"GCOL") + 16
    while int.from_bytes(whole[place : place + 2], "little"):
        size = int.from_bytes(whole[place + 8 : place + 16], "little")
        place += 16 + -(-size // 8) * 8
    return whole[: place + 8] + b"\0" * 8 + whole[place + 16 :]


def _types(payload: bytes) -> Iterator[tuple[Callable[[h5py.File], object], str]]:
    def of(kind: object, name: str, place: str = "X") -> tuple[Callable[[h5py.File], object], str]:
        return lambda file: replaced(file, place, shape=_SHAPE, dtype=kind), name

    yield of(h5py.ref_dtype, "references")
    yield of(h5py.regionref_dtype, "regions")
    yield of(np.dtype("V16"), "opaque")
    yield of(np.dtype([("a", "i4"), ("b", "S4")]), "compound")
    yield of(h5py.vlen_dtype(np.dtype("i4")), "lists of integers")
    yield of(h5py.string_dtype(), "strings")
    yield of(np.dtype("S10"), "fixed strings")
    yield of(np.dtype(("i4", (3,))), "arrays")
    yield of(np.dtype("c16"), "complex")
    yield of(h5py.ref_dtype, "references in a layer", "layers/counts")

    def words(file: h5py.File) -> None:
        replaced(file, "X", data=counts_ng().astype("S10"))

    def pickles(file: h5py.File) -> None:
        made = replaced(file, "X", shape=_SHAPE, dtype=h5py.vlen_dtype(np.dtype("u1")))
        made[0, 0] = np.frombuffer(payload, "u1")
        made.attrs["encoding-type"] = "pickle"

    def objects(file: h5py.File) -> None:
        file["obs"].attrs["_index"] = np.void(payload)

    def reference(file: h5py.File) -> None:
        file["obs"].attrs["_index"] = file["X"].ref

    def names_of_numbers(file: h5py.File) -> None:
        encoded(replaced(file, "var/_index", data=np.arange(40.0)), "array")

    def references_as_names(file: h5py.File) -> None:
        encoded(replaced(file, "var/_index", shape=(40,), dtype=h5py.ref_dtype), "string-array")

    def attribute_array(file: h5py.File) -> None:
        file["obs"].attrs["_index"] = np.arange(5)

    def empty(file: h5py.File) -> None:
        del file["X"]
        encoded(file.create_dataset("X", data=h5py.Empty("f4")), "array")

    for change in (
        words,
        pickles,
        objects,
        reference,
        names_of_numbers,
        references_as_names,
        attribute_array,
        empty,
    ):
        yield change, change.__name__.replace("_", " ")
