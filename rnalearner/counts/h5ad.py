"""An h5ad file: the matrix in it that holds counts, either way round."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from rnalearner.counts.bounds import most_bytes
from rnalearner.counts.checks import check_counts
from rnalearner.counts.genes import GeneTable
from rnalearner.counts.hdf5 import refuse_foreign
from rnalearner.counts.layouts import gene_share
from rnalearner.counts.opening import short
from rnalearner.counts.text import RawCounts
from rnalearner.errors import CountsError


def read_h5ad(path: Path, genes: GeneTable | None) -> RawCounts:
    """The first of `layers["counts"]`, `X` and `raw` that holds counts, samples x genes.

    Raises CountsError where the file is damaged, or with what speaks against the first of them.
    """
    if not path.exists():
        raise CountsError(path, "there is no such file", "correct the path")
    try:
        refuse_foreign(path)
        with warnings.catch_warnings():
            # Repeated names are refused later, with a sentence of our own.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", FutureWarning)
            data = anndata.read_h5ad(path)
    except (CountsError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes of h5py and anndata
        reason = short(str(error) or type(error).__name__)
        raise CountsError(path, f"cannot be read as h5ad ({reason})", "write or fetch it again") from None
    refusal = CountsError(path, "holds no matrix", "put counts in X or in the layer `counts`")
    for place, matrix, var in _matrices(data):
        dense = _dense(path, place, matrix)
        obs_names, var_names = list(data.obs_names), list(var.index)
        upright = gene_share(var_names, genes) >= gene_share(obs_names, genes)
        try:
            if upright:
                check_counts(path, dense, obs_names, var_names)
            else:
                check_counts(path, dense.T, var_names, obs_names)
        except CountsError as error:
            refusal = error if place in ("layers/counts", "X") else refusal
            continue
        notes = {"matrix": place}
        if upright:
            names, obs = _gene_names(var), data.obs
            return RawCounts(path, dense, obs_names, names, "samples x genes", obs, notes)
        names = _gene_names(data.obs)
        return RawCounts(path, dense.T, var_names, names, "genes x samples", var, notes)
    raise refusal


def _matrices(data: anndata.AnnData) -> Iterator[tuple[str, Any, pd.DataFrame]]:
    if "counts" in data.layers:
        yield "layers/counts", data.layers["counts"], data.var
    if data.X is not None:
        yield "X", data.X, data.var
    if data.raw is not None:
        yield "raw", data.raw.X, data.raw.var


def _dense(path: Path, place: str, matrix: Any) -> np.ndarray:
    """Raises CountsError for a sparse matrix whose indices lie outside of it, or which is too large."""
    if hasattr(matrix, "toarray"):
        if matrix.shape[0] * matrix.shape[1] * 8 > most_bytes():
            what = f"has a matrix of {matrix.shape[0]} x {matrix.shape[1]} in {place}, more than is read here"
            raise CountsError(path, what, "leave out samples, or cells, that the task does not need")
        try:
            matrix.check_format(full_check=True)  # or C code writes where the indices say
        except ValueError as error:
            raise CountsError(
                path, f"holds no sparse matrix in {place} ({error})", "write it again"
            ) from None
        matrix = matrix.toarray()
    dense = np.asarray(matrix)
    if dense.ndim != 2 or dense.dtype.kind not in "buif":
        what = f"holds {dense.ndim} dimensions of {dense.dtype} in {place}, and no matrix of numbers"
        raise CountsError(path, what, "put counts in X or in the layer `counts`")
    return dense


def _gene_names(table: pd.DataFrame) -> list[str]:
    """The names themselves, or a column of Ensembl ids beside symbols."""
    names = [str(name) for name in table.index]
    if gene_share(names, None) < 0.5:
        for column in table:
            values = [str(value) for value in table[column]]
            if gene_share(values, None) > 0.9:
                return values
    return names
