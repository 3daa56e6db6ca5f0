"""What rises and falls together within studies, in one pass over a store of any size.

Shapes: n samples, r rows of a sketch, b samples of a piece, g genes, p pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from rnalearner.each import Each, one_by_one
from rnalearner.shards.read import ShardStore

MIN_EXPRESSED_SHARE = 0.1
"""Genes above zero in fewer of the samples pair with none: one sample would make any two of them
correlate perfectly."""

PIECE_SAMPLES = 256
"""Samples read at once; a study of more is read twice, for its mean and for what is left of it."""


@dataclass(frozen=True, eq=False)
class ResidualSketch:
    """Expression minus the mean of the sample's study, in at most so many rows as asked for.

    Of no more samples than rows these are the residuals themselves, a row a sample. Of more, each row is
    a sum of samples with random signs (a count sketch; Charikar et al. 2002): products of two genes'
    columns keep their expectation, and a correlation r is right to about (1 - r²) / sqrt(rows), 0.016 at
    4,096. Memory is rows x genes x 4 bytes, 250 MB at 4,096 x 15,000, with any number of samples.
    """

    residuals_rg: np.ndarray
    """float32, on the scale of one sample; 0 for genes that are hardly ever expressed."""
    mean_g: np.ndarray
    """Mean scaled expression over the samples that measured the gene; 0 where none did."""
    n_samples: int

    @classmethod
    def of(
        cls,
        store: ShardStore,
        rows: np.ndarray,
        n_rows: int,
        rng: np.random.Generator,
        max_samples: int | None = None,
        each: Each = one_by_one,
    ) -> "ResidualSketch":
        """Of the samples `rows` of a store, or of whole studies of them, drawn up to `max_samples`.

        Centring leaves what varies within studies, and takes away tissues and batches, which would
        otherwise make most correlations. Not measured becomes 0, the mean. Few samples of each of many
        studies would leave nothing within a study: so whole ones are drawn.
        """
        rows = _drawn(store, np.sort(rows), max_samples, rng)
        n, n_genes = len(rows), len(store.gene_set)
        place_n, sign_n = np.arange(n), np.ones(n, np.float32)
        if n > n_rows:
            place_n = rng.permutation(n) % n_rows  # every row is of as many samples, but for one
            sign_n = rng.choice(np.array([-1, 1], np.float32), n)
        residuals_rg = np.zeros((min(n, n_rows), n_genes), np.float32)
        total_g, measured_g, expressed_g = (np.zeros(n_genes) for _ in range(3))
        signed = zip(place_n.tolist(), sign_n, strict=True)
        for piece in each(partial(_centred, store), _with_means(store, _pieces(store, rows), each)):
            total_g += piece.total_g
            measured_g += piece.measured_g
            expressed_g += piece.expressed_g
            for residual_g, (place, sign) in zip(piece.residuals_bg, signed, strict=False):
                residuals_rg[place] += sign * residual_g
        residuals_rg *= np.float32(np.sqrt(len(residuals_rg) / max(n, 1)))
        residuals_rg[:, expressed_g < MIN_EXPRESSED_SHARE * n] = 0
        return cls(residuals_rg, total_g / np.maximum(measured_g, 1), n)


def _drawn(
    store: ShardStore, rows: np.ndarray, max_samples: int | None, rng: np.random.Generator
) -> np.ndarray:
    """Rows of studies in a random order, up to `max_samples`, ascending; the last study may be cut."""
    if max_samples is None or len(rows) <= max_samples:
        return rows
    study_n = store.obs["study"].to_numpy()[rows]
    studies = rng.permutation(np.unique(study_n).astype(object))
    return np.sort(np.concatenate([rows[study_n == study] for study in studies])[:max_samples])


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some whole studies, or a part of a large one; the rows of a study stand together."""

    rows_b: np.ndarray
    study_b: np.ndarray
    mean_g: np.ndarray | None = None
    """Of the study that this is a part of; None where the piece holds all there is of its studies."""


@dataclass(frozen=True, eq=False)
class _Centred:
    residuals_bg: np.ndarray
    total_g: np.ndarray
    measured_g: np.ndarray
    expressed_g: np.ndarray


def _pieces(store: ShardStore, rows: np.ndarray) -> list[_Piece]:
    """`rows` by study, the study of the first row first: small studies together, large ones in parts."""
    _, first, code_n = np.unique(
        store.obs["study"].to_numpy()[rows].astype(str), return_index=True, return_inverse=True
    )
    code_n = np.argsort(np.argsort(first))[code_n]
    order = np.argsort(code_n, kind="stable")
    rows, code_n = rows[order], code_n[order]
    edges = [0, *(np.flatnonzero(np.diff(code_n)) + 1).tolist(), len(rows)]
    cuts = [0]
    for start, stop in pairwise(edges):
        if stop - cuts[-1] > PIECE_SAMPLES and start > cuts[-1]:
            cuts.append(start)
        if stop - start > PIECE_SAMPLES:
            cuts += [*range(start + PIECE_SAMPLES, stop, PIECE_SAMPLES), stop]
    cuts += [len(rows)] if cuts[-1] < len(rows) else []
    return [_Piece(rows[a:b], code_n[a:b]) for a, b in pairwise(cuts)]


def _with_means(store: ShardStore, pieces: list[_Piece], each: Each) -> list[_Piece]:
    """The parts of large studies told their study's mean."""
    n_pieces = np.bincount([int(piece.study_b[0]) for piece in pieces]) if pieces else np.empty(0)
    is_part = [bool(n_pieces[piece.study_b[0]] > 1) for piece in pieces]
    parts = [piece for piece, part in zip(pieces, is_part, strict=True) if part]
    totals: dict[int, list[np.ndarray]] = {}
    for piece, (total_g, measured_g) in zip(parts, each(partial(_totals, store), parts), strict=True):
        known = totals.setdefault(int(piece.study_b[0]), [np.zeros(len(total_g)), np.zeros(len(total_g))])
        known[0] += total_g
        known[1] += measured_g
    means = {study: total_g / np.maximum(count_g, 1) for study, (total_g, count_g) in totals.items()}
    return [
        replace(piece, mean_g=means[int(piece.study_b[0])]) if part else piece
        for piece, part in zip(pieces, is_part, strict=True)
    ]


def _totals(store: ShardStore, piece: _Piece) -> tuple[np.ndarray, np.ndarray]:
    values_bg = store.values(piece.rows_b)
    return np.nansum(values_bg, axis=0), (~np.isnan(values_bg)).sum(axis=0)


def _centred(store: ShardStore, piece: _Piece) -> _Centred:
    values_bg = store.values(piece.rows_b)
    measured_bg = ~np.isnan(values_bg)
    values_bg[~measured_bg] = 0
    total_g, expressed_g = values_bg.sum(axis=0), (values_bg > 0).sum(axis=0)
    for one in _studies(piece.study_b):
        mean_g = piece.mean_g
        if mean_g is None:
            mean_g = values_bg[one].sum(axis=0) / np.maximum(measured_bg[one].sum(axis=0), 1)
        values_bg[one] -= mean_g
    values_bg[~measured_bg] = 0
    return _Centred(values_bg, total_g, measured_bg.sum(axis=0), expressed_g)


def _studies(study_b: np.ndarray) -> Iterator[slice]:
    edges = [0, *(np.flatnonzero(np.diff(study_b)) + 1).tolist(), len(study_b)]
    return (slice(start, stop) for start, stop in pairwise(edges))


def co_expressed_pairs(
    residuals_rg: np.ndarray, min_correlation: float, max_pairs_per_gene: int, block: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of genes (int64 p×2, first < second, ascending) and their Pearson correlation (p).

    For each gene its `max_pairs_per_gene` strongest partners of at least `min_correlation`; a pair
    counts if either gene chose it. Only positive correlation: genes that go against each other are
    not alike. `block` genes at a time against all: memory is block × g, never g × g. Genes that do
    not vary have no partner.
    """
    norm_g = np.linalg.norm(residuals_rg, axis=0)
    norm_g[norm_g == 0] = 1
    n_genes = len(norm_g)
    k = min(max_pairs_per_gene, n_genes)
    firsts, seconds, strengths = [], [], []
    for start in range(0, n_genes, block):
        r_bg = (residuals_rg[:, start : start + block] / norm_g[start : start + block]).T @ residuals_rg
        r_bg /= norm_g
        here = np.arange(len(r_bg))
        r_bg[here, start + here] = -1  # a gene is not its own partner
        partner_bk = np.argpartition(r_bg, n_genes - k, axis=1)[:, n_genes - k :]
        r_bk = np.take_along_axis(r_bg, partner_bk, axis=1)
        row, chosen = np.nonzero(r_bk >= min_correlation)
        firsts.append(start + row)
        seconds.append(partner_bk[row, chosen])
        strengths.append(r_bk[row, chosen])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    key = np.minimum(first, second) * n_genes + np.maximum(first, second)
    unique, where = np.unique(key, return_index=True)
    return np.stack(np.divmod(unique, n_genes), axis=1), np.concatenate(strengths)[where]
