"""h5ad whose sparse matrix points outside of itself, or is not of the shape that it names."""

from collections.abc import Callable, Iterator

import h5py
import numpy as np

from tests.hostile.files import HostileFile, counts_ng, encoded, genes, h5ad
from tests.service.toy_tables import SAMPLES

Change = tuple[Callable[[h5py.File], object], str]
_SAYS = "sparse|h5ad|matrix|dimension|shape|negative|missing|times its size|GiB|more than may be read|memory"


def files() -> Iterator[HostileFile]:
    for change, name in _matrices():
        yield HostileFile(
            "sparse matrices that lie", f"{name}.h5ad", lambda change=change: h5ad(change), _SAYS
        )


def _matrices() -> Iterator[Change]:
    n_samples, n_genes = len(SAMPLES), len(genes())
    indptr = np.arange(n_samples + 1) * n_genes
    good = {
        "data": counts_ng().astype("f4").ravel(),
        "indices": np.tile(np.arange(n_genes), n_samples),
        "indptr": indptr,
        "shape": np.array([n_samples, n_genes]),
    }

    def sparse(name: str, kind: str = "csr_matrix", **wrong: object) -> Change:
        parts = good | wrong

        def change(file: h5py.File) -> None:
            del file["X"]
            group = encoded(file.create_group("X"), kind, "0.1.0")
            group.attrs["shape"] = parts["shape"]
            for part in ("data", "indices", "indptr"):
                if parts[part] is not None:
                    group.create_dataset(part, data=parts[part])

        return change, name

    def at(part: str, place: int, value: float) -> dict[str, object]:
        changed = good[part].copy()
        changed[place] = value
        return {part: changed}

    yield sparse("index beyond", **at("indices", 3, n_genes))
    yield sparse("index far beyond", **at("indices", 3, 2**31 - 1))
    yield sparse("index beyond 32 bits", **at("indices", 3, 2**40))
    yield sparse("index below zero", **at("indices", 3, -1))
    yield sparse("index far below zero", **at("indices", 3, -(2**31)))
    yield sparse("pointer beyond", **at("indptr", -1, 10**6))
    yield sparse("pointer far beyond", **at("indptr", 3, 2**40))
    yield sparse("pointer below zero", **at("indptr", 2, -5))
    yield sparse("pointers fall", **at("indptr", 2, 200))
    yield sparse("pointers begin late", **at("indptr", 0, 3))
    yield sparse("too few pointers", indptr=indptr[:-2])
    yield sparse("too many pointers", indptr=np.append(indptr, indptr[-1]))
    yield sparse("no pointers", indptr=np.array([], dtype="i8"))
    yield sparse("pointers missing", indptr=None)
    yield sparse("data missing", data=None)
    yield sparse("data too short", data=good["data"][:-7])
    yield sparse("indices too short", indices=good["indices"][:-7])
    yield sparse("shape too wide", shape=np.array([n_samples, 10**9]))
    yield sparse("shape huge", shape=np.array([10**9, 10**9]))
    yield sparse("shape negative", shape=np.array([-6, 40]))
    yield sparse("shape of one", shape=np.array([240]))
    yield sparse("shape of three", shape=np.array([2, 3, 40]))
    yield sparse("fractional indices", indices=good["indices"] + 0.5)
    yield sparse("words as data", data=good["data"].astype("S8"))
    yield sparse("not a number", **at("data", 5, np.nan))
    yield sparse("negative", **at("data", 5, -3))
    yield sparse("other way round", "csc_matrix")
    yield sparse("pointers in two dimensions", indptr=np.stack([indptr, indptr]))
