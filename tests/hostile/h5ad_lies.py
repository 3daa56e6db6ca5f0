"""h5ad whose parts are not what they say, or do not fit each other."""

from collections.abc import Callable, Iterator

import h5py
import numpy as np

from tests.hostile.files import HostileFile, counts_ng, encoded, frame, genes, h5ad, replaced
from tests.service.toy_tables import SAMPLES

Change = tuple[Callable[[h5py.File], object], str]
_SAYS = "h5ad|encoding|matrix|dimension|shape|index|names|gene|sample"


def files() -> Iterator[HostileFile]:
    for kind, says, changes in (
        ("encodings that lie", _SAYS, _encodings()),
        ("frames that do not fit", _SAYS + "|twice|codes|columns", _frames()),
        (
            "matrices that are no counts",
            _SAYS + "|negative|missing|infinite|logarithm|no read|empty",
            _matrices(),
        ),
    ):
        for change, name in changes:
            yield HostileFile(kind, f"{name}.h5ad", lambda change=change: h5ad(change), says)


def _encodings() -> Iterator[Change]:
    def said(place: str, kind: str, version: str = "0.1.0") -> Change:
        return lambda file: encoded(file[place], kind, version), f"{place} {kind} {version}".replace("/", ".")

    for place, kind in (
        ("X", "csr_matrix"),
        ("X", "csc_matrix"),
        ("X", "dataframe"),
        ("X", "dict"),
        ("X", "categorical"),
        ("X", "pickle"),
        ("X", "awkward-array"),
        ("X", "nullable-integer"),
        ("obs", "array"),
        ("obs", "csr_matrix"),
        ("obs", "string-array"),
        ("var", "evil"),
        ("var/_index", "csr_matrix"),
        ("var/_index", "dataframe"),
    ):
        yield said(place, kind)
    yield said("X", "array", "99.0.0")

    def numbered(file: h5py.File) -> None:
        file["X"].attrs["encoding-type"] = 7

    def listed(file: h5py.File) -> None:
        file["X"].attrs["encoding-type"] = np.array(["array", "dict"], dtype="S5")

    yield numbered, "a number for encoding-type"
    yield listed, "a list for encoding-type"


def _frames() -> Iterator[Change]:
    def names(place: str, new: list[str]) -> Change:
        def change(file: h5py.File) -> None:
            encoded(replaced(file, f"{place}/_index", data=new, dtype=h5py.string_dtype()), "string-array")

        return change, f"{place} {len(new)} {new[0][:10] if new else ''}".replace("/", ".")

    yield names("obs", [*SAMPLES[:-1], SAMPLES[0]])
    yield names("obs", ["S1"] * 6)
    yield names("obs", SAMPLES[:-1])
    yield names("obs", [*SAMPLES, "S7"])
    yield names("obs", [""] * 6)
    yield names("var", genes()[:-1])
    yield names("var", [*genes()[:-1], genes()[0]])
    yield names("var", [genes()[0]] * 40)
    yield names("var", [f"g{number}" for number in range(40)])
    yield names("var", [])

    def index(value: str) -> Change:
        def change(file: h5py.File) -> None:
            file["obs"].attrs["_index"] = value

        return change, f"index {value[:30]}".replace("/", ".")

    for value in ("nothing", "../X", "/X", "../../uns", "", "x" * 60_000):
        yield index(value)

    def column(name: str, **parts: object) -> Change:
        def change(file: h5py.File) -> None:
            group = encoded(file["obs"].create_group("group"), "categorical")
            group.attrs["ordered"] = False
            for part, data in parts.items():
                group.create_dataset(part, data=data)
            file["obs"].attrs["column-order"] = np.array(["group"], dtype="S9")

        return change, name

    words = np.array([b"a", b"b"])
    yield column("codes beyond", codes=np.array([0, 1, 2, 9, 0, 1], "i1"), categories=words)
    yield column("codes below", codes=np.array([0, 1, -7, 0, 0, 1], "i1"), categories=words)
    yield column("codes too few", codes=np.array([0, 1, 0], "i1"), categories=words)
    yield column("codes fractional", codes=np.array([0.5] * 6), categories=words)
    yield column("categories twice", codes=np.zeros(6, "i1"), categories=np.array([b"a", b"a"]))
    yield column("categories missing", codes=np.zeros(6, "i1"))

    def ordered(name: str) -> Change:
        def change(file: h5py.File) -> None:
            file["obs"].attrs["column-order"] = np.array([name], dtype="S64")

        return change, f"column {name}".replace("/", ".")

    for name in ("nowhere", "../X", "/etc/passwd"):
        yield ordered(name)

    def short_column(file: h5py.File) -> None:
        encoded(file["obs"].create_dataset("age", data=np.arange(3)), "array")
        file["obs"].attrs["column-order"] = np.array([b"age"])

    def no_frame(file: h5py.File) -> None:
        del file["obs"]
        encoded(file.create_dataset("obs", data=np.arange(6)), "array")

    def no_genes(file: h5py.File) -> None:
        del file["var"]

    for change in (short_column, no_frame, no_genes):
        yield change, change.__name__.replace("_", " ")


def _matrices() -> Iterator[Change]:
    def matrix(name: str, data: object) -> Change:
        return lambda file: replaced(file, "X", data=data), name

    def at(value: float) -> np.ndarray:
        changed = counts_ng().astype("f8")
        changed[2, 7] = value
        return changed

    for name, value in (
        ("NaN", np.nan),
        ("infinite", np.inf),
        ("minus infinite", -np.inf),
        ("1e308", 1e308),
        ("negative", -1),
    ):
        yield matrix(name, at(value))
    yield matrix("logarithms", np.log2(counts_ng() + 1.0))
    yield matrix("scaled", (counts_ng() - 500.0) / 300)
    yield matrix("proportions", counts_ng() / counts_ng().sum(axis=1, keepdims=True))
    yield matrix("scalar", np.float32(7))
    yield matrix("one dimension", counts_ng().ravel())
    yield matrix("three dimensions", counts_ng().reshape(6, 4, 10))
    yield matrix("transposed", counts_ng().T)
    yield matrix("too wide", np.hstack([counts_ng(), counts_ng()]))
    yield matrix("zeros", np.zeros((6, 40)))
    yield matrix("words", counts_ng().astype("S8"))

    def without(file: h5py.File) -> None:
        del file["X"]

    def nobody(file: h5py.File) -> None:
        replaced(file, "X", shape=(0, 40), dtype="f4")
        del file["obs"]
        frame(file, "obs", [])

    def nothing(file: h5py.File) -> None:
        for name in list(file):
            del file[name]

    for change in (without, nobody, nothing):
        yield change, change.__name__
