"""HDF5 that reaches out of itself, or round in circles."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.hostile.canaries import H5, TEXT, WORD
from tests.hostile.files import N_GENES, HostileFile, counts_ng, encoded, h5ad, replaced
from tests.service.toy_tables import SAMPLES

_NEAR = ("../../../gateway.db", "errors.txt", "/etc/passwd", "/proc/self/environ")
"""What lies beside an upload, or on any machine."""


def files(outside: Path) -> Iterator[HostileFile]:
    for name, says, changes in (
        ("external links", "link", _external_links(outside)),
        ("soft links", "link", _soft_links()),
        ("hard-link loops", "twice", _loops()),
        ("external storage", "another file", _external_storage(outside)),
        ("virtual datasets", "another file", _virtual(outside)),
    ):
        for change, what in changes:
            yield HostileFile(name, f"{what}.h5ad", lambda change=change: h5ad(change), says)


Change = tuple[Callable[[h5py.File], object], str]


def _linked(place: str, link: Any) -> Change:
    def change(file: h5py.File) -> None:
        if place in file:
            del file[place]
        file[place] = link

    return change, f"{place.replace('/', '.')} {getattr(link, 'filename', '')[-40:]} {link.path[-40:]}"


def _external_links(outside: Path) -> Iterator[Change]:
    canary = str(outside / H5)
    for place in ("X", "obs", "var", "obs/_index", "var/_index", "layers/counts", "raw", "uns/a/b"):
        yield _linked(place, h5py.ExternalLink(canary, place))
    for name in (
        *_NEAR,
        "http://127.0.0.1:1/x.h5",
        "s3://bucket/x.h5",
        "table.h5ad",
        "." * 4000,
        "/dev/zero",
        "/dev/stdin",
    ):
        yield _linked("obs", h5py.ExternalLink(name, "/obs"))


def _soft_links() -> Iterator[Change]:
    for place, target in (
        ("X", "/layers/counts"),
        ("X", "/X"),
        ("obs", "/"),
        ("obs", "/obs"),
        ("obs", "/var"),
        ("var/_index", "/var/_index"),
        ("var/_index", "../../../etc/passwd"),
        ("uns/a", "/uns"),
        ("uns/a", "/uns/a"),
        ("layers/counts", "/X"),
        ("raw", "/nowhere"),
        ("obs/_index", "." + "/." * 2000),
    ):
        yield _linked(place, h5py.SoftLink(target))


def _loops() -> Iterator[Change]:
    def hard(place: str, target: str) -> Change:
        def change(file: h5py.File) -> None:
            if target not in file:
                file.create_group(target)
            if place in file:
                del file[place]
            file[place] = file[target]

        return change, f"{place} to {target}".replace("/", ".")

    for place, target in (
        ("obs/self", "obs"),
        ("uns/root", "/"),
        ("obs", "var"),
        ("uns/a/b/c", "uns/a"),
        ("layers", "/"),
        ("obsm", "obs"),
        ("raw", "/"),
    ):
        yield hard(place, target)

    def mutual(file: h5py.File) -> None:
        one, two = file.create_group("uns/one"), file.create_group("uns/two")
        one["two"], two["one"] = two, one

    yield mutual, "two groups in each other"


def _external_storage(outside: Path) -> Iterator[Change]:
    def stored(place: str, name: str, offset: int = 0) -> Change:
        names = place.endswith("_index")
        shape = (len(SAMPLES) if place.startswith("obs") else N_GENES,) if names else (len(SAMPLES), N_GENES)
        kind = np.dtype(f"S{len(WORD)}") if names else np.dtype("u1")
        n_bytes = int(np.prod(shape)) * kind.itemsize

        def change(file: h5py.File) -> None:
            replaced(file, place, shape=shape, dtype=kind, external=[(name, offset, n_bytes)])
            if names:
                encoded(file[place], "string-array")

        return change, f"{place} {name[-30:]} {offset}".replace("/", ".")

    for place in ("X", "obs/_index", "var/_index", "layers/counts", "uns/a"):
        yield stored(place, str(outside / TEXT))
    for name in _NEAR:
        yield stored("obs/_index", name)
        yield stored("var/_index", name, 16)
    yield stored("obs/_index", "/dev/zero")

    def pieces(file: h5py.File) -> None:
        parts = [(str(outside / TEXT), 8 * part, 8) for part in range(30)]
        replaced(file, "X", shape=(6, N_GENES), dtype="u1", external=parts)

    yield pieces, "thirty pieces"


def _virtual(outside: Path) -> Iterator[Change]:
    def virtual(place: str, name: str, source: str) -> Change:
        def change(file: h5py.File) -> None:
            layout = h5py.VirtualLayout((len(SAMPLES), N_GENES), "i8")
            layout[:] = h5py.VirtualSource(name, source, (len(SAMPLES), N_GENES))
            if place in file:
                del file[place]
            encoded(file.create_virtual_dataset(place, layout), "array")

        return change, f"{place} {name[-30:]} {source}".replace("/", ".")

    for place in ("X", "layers/counts", "uns/a"):
        yield virtual(place, str(outside / H5), "X")
    for name in ("../../../gateway.db", "/etc/passwd", "nowhere.h5"):
        yield virtual("X", name, "X")

    def of_itself(file: h5py.File) -> None:
        file.create_dataset("uns/whole", data=counts_ng())
        virtual("X", ".", "uns/whole")[0](file)

    yield of_itself, "of itself"
