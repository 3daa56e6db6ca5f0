"""HDF5 that declares, holds or unpacks to more than any table of counts."""

import zlib
from collections.abc import Callable, Iterator

import h5py
import numpy as np

from tests.hostile.files import HostileFile, encoded, h5ad, replaced

_CHUNK = (256, 65_536)
_TOO_MUCH = "GiB|times its size|memory|larger|rank"


def files() -> Iterator[HostileFile]:
    for kind, says, changes in (
        ("huge shapes", _TOO_MUCH + "|dimension|shape|string|h5ad", _declared()),
        ("deflate bombs", _TOO_MUCH + "|filter", _deflated()),
        ("filters", "filter|h5ad", _filters()),
        ("too many objects", "groups|attribute|memory|h5ad", _crowds()),
    ):
        for change, name in changes:
            yield HostileFile(kind, f"{name}.h5ad", lambda change=change: h5ad(change, libver="latest"), says)


Change = tuple[Callable[[h5py.File], object], str]


def _declared() -> Iterator[Change]:
    def huge(place: str, shape: tuple[int, ...], kind: object = "f8", **how: object) -> Change:
        name = f"{place} {'x'.join(map(str, shape))} {np.dtype(kind).kind} {' '.join(how)}"  # type: ignore[call-overload]
        return lambda file: replaced(file, place, shape=shape, dtype=kind, **how), name.replace("/", ".")

    yield huge("X", (300_000, 100_000))
    yield huge("X", (300_000, 100_000), chunks=(100, 100))
    yield huge("X", (2**31, 2**31), chunks=(100, 100))
    yield huge("X", (2**62,), "u1", chunks=(100,))
    yield huge("X", (10**6, 10**6), "u1", chunks=(1000, 1000), compression="gzip")
    yield huge("layers/counts", (10**6, 40_000), chunks=(100, 100))
    yield huge("uns/big", (2**40,), chunks=(1000,))
    yield huge("obsm/X_pca", (6, 10**10), chunks=(6, 1000))
    yield huge("obs/_index", (10**9,), "S16", chunks=(100,))
    yield huge("var/_index", (6,), "S2000000000")
    yield huge("X", (6, 40), np.dtype(("f8", (1000, 1000, 100))))
    yield huge("uns/array", (10,), np.dtype([("x", "f8", (10**8,))]))
    yield huge("X", (2,) * 32, "f8")
    yield huge("varm/deep", (1024,) * 5, "f8", chunks=(8,) * 5)


def _deflated() -> Iterator[Change]:
    """Arrays of zeros. One chunk is packed; it stands for all of them."""

    def zeros(place: str, n_chunks: int, levels: int = 1) -> Change:
        def change(file: h5py.File) -> None:
            if place in file:
                del file[place]
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_chunk(_CHUNK)
            for _ in range(levels):
                plan.set_deflate(9)
            packed = bytes(4 * _CHUNK[0] * _CHUNK[1])
            for _ in range(levels):
                packed = zlib.compress(packed, 9)
            space = h5py.h5s.create_simple((_CHUNK[0] * n_chunks, _CHUNK[1]))
            kind = h5py.h5t.NATIVE_INT32
            made = h5py.h5d.create(file.id, place.encode(), kind, space, plan)
            for number in range(n_chunks):
                made.write_direct_chunk((_CHUNK[0] * number, 0), packed)
            encoded(h5py.Dataset(made), "array")

        return change, f"{place} {n_chunks} {levels}".replace("/", ".")

    yield zeros("X", 16)
    yield zeros("X", 160)
    yield zeros("X", 16, 2)
    yield zeros("X", 1600, 2)
    yield zeros("X", 16, 3)

    def other(place: str, **how: object) -> Change:
        def change(file: h5py.File) -> None:
            replaced(file, place, np.zeros((5 * _CHUNK[0], _CHUNK[1]), "i4"), chunks=_CHUNK, **how)

        return change, f"{place} {' '.join(map(str, how.values()))}".replace("/", ".")

    yield other("layers/counts", compression="gzip")
    yield other("uns/a", compression="gzip", shuffle=True)

    def several(file: h5py.File) -> None:
        for number in range(8):
            file.require_group("layers")
            zeros(f"layers/l{number}", 4)[0](file)

    yield several, "eight layers"


def _filters() -> Iterator[Change]:
    """Numbers that no filter here has: some registered by others, whose plugin is absent, some by nobody."""

    def packed(number: int) -> Change:
        def change(file: h5py.File) -> None:
            del file["X"]
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_chunk((6, 40))
            plan.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
            space = h5py.h5s.create_simple((6, 40))
            made = h5py.Dataset(h5py.h5d.create(file.id, b"X", h5py.h5t.NATIVE_FLOAT, space, plan))
            made.id.write_direct_chunk((0, 0), np.random.default_rng(number).bytes(500))
            encoded(made, "array")

        return change, f"filter {number}"

    for number in (256, 305, 307, 511, 32001, 32004, 32008, 32013, 32015, 32017, 32026, 65535):
        yield packed(number)


def _crowds() -> Iterator[Change]:
    def deep(file: h5py.File) -> None:
        group = file.create_group("uns")
        for _ in range(10_000):
            group = group.create_group("a")

    def groups(file: h5py.File) -> None:
        home = file.create_group("uns")
        for number in range(100_000):
            h5py.h5g.create(home.id, str(number).encode())

    def arrays(file: h5py.File) -> None:
        home, space = file.create_group("uns"), h5py.h5s.create(h5py.h5s.NULL)
        for number in range(20_000):
            h5py.h5d.create(home.id, str(number).encode(), h5py.h5t.NATIVE_INT8, space)

    def named_types(file: h5py.File) -> None:
        home = file.create_group("uns")
        for number in range(20_000):
            home[str(number)] = np.dtype("i4")

    def hard_links(file: h5py.File) -> None:
        home, matrix = file.create_group("uns"), file["X"]
        for number in range(50_000):
            h5py.h5o.link(matrix.id, home.id, str(number).encode())

    def wide_attribute(file: h5py.File) -> None:
        file["obs"].attrs["column-order"] = np.full(8_000_000, b"abcdefgh", "S8")

    for change in (deep, groups, arrays, named_types, hard_links, wide_attribute):
        yield change, change.__name__.replace("_", " ")
