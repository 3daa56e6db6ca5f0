"""Principal components of more samples than fit in memory: a few passes over pieces of them.

Each pass multiplies the samples' cross products with a block of axes, which needs one small batch of
samples at a time. The blocks together (a block Krylov space that starts from the components of a random
sample) hold the components far sooner than the last block alone would.

Shapes: n samples, g genes, k components, l axes in a block, m axes in all blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from rnalearner.clustering.embed import PrincipalComponents, principal_components
from rnalearner.clustering.pieces import Read, batches, gathered
from rnalearner.each import Each, one_by_one

START_BYTES = 2**25
"""Memory of the random sample that the iteration starts from: 559 samples of 15,000 genes."""
OVERSAMPLED = 10
"""Axes in a block beyond the components that are wanted: the last of these converge as the first do."""

OnPiece = Callable[[str, int, int], None]
"""Told what is passed over, how many of the samples are done, and how many there are."""


@dataclass(frozen=True)
class Fit:
    """Components, and how far they may be trusted."""

    components: PrincipalComponents
    passes: int
    """Passes over all samples; 0 where all of them were in memory at once."""
    change: float
    """Largest relative change of a component's variance in the last pass."""


class _Sums(NamedTuple):
    product_gl: np.ndarray
    """Cross products of the samples with a block of axes: A^T A Q."""
    sum_g: np.ndarray
    measured_g: np.ndarray
    square: float


def streamed_components(
    read: Read,
    row_pieces: Sequence[np.ndarray],
    n_components: int,
    rng: np.random.Generator,
    *,
    each: Each = one_by_one,
    tolerance: float = 1e-3,
    max_passes: int = 8,
    start_rows: int | None = None,
    on_piece: OnPiece = lambda what, done, total: None,
) -> Fit:
    """The components of all samples in `row_pieces`; a gene that was not measured counts as average.

    Passes end when no variance grew by more than `tolerance` of itself, or with the last of `max_passes`.
    Samples that fit into the start (`start_rows`, or START_BYTES of them) are fitted in memory. The same
    bits for any `each`. Raises CountsError for fewer than two samples.
    """
    rows = np.concatenate(row_pieces) if row_pieces else np.empty(0, np.int64)
    # One thread a product: several would take a block apart in another way on another machine.
    with threadpool_limits(1, user_api="blas"):
        start_ng = gathered(read, _start_rows(read, rows, start_rows, rng), each)
        k = max(1, min(n_components, len(rows) - 1, start_ng.shape[1]))
        if len(start_ng) == len(rows):
            return Fit(principal_components(start_ng, k, rng)[1], 0, 0.0)
        start = principal_components(start_ng, k + OVERSAMPLED, rng)[1]
        del start_ng

        def passed(what: str, mean_g: np.ndarray, block_gl: np.ndarray) -> _Sums:
            work = partial(_sums, read, mean_g, block_gl.astype(np.float32))
            return _folded(work, row_pieces, block_gl.shape, each, partial(on_piece, what))

        # The first pass gives the mean and, since the samples are at hand, a step about the start's mean.
        block_gl = start.axes_kg.T.astype(np.float64)
        sums = passed("PCA pass 1", start.mean_g, block_gl)
        shift_g = sums.sum_g / np.maximum(sums.measured_g, 1)
        mean_g = (start.mean_g + shift_g).astype(np.float32)
        product_gl = sums.product_gl - np.outer(sums.sum_g, shift_g @ block_gl)
        variance_k = _ritz(block_gl, product_gl, k)[0]

        basis_gm = np.linalg.qr(product_gl)[0]
        product_gm = np.empty((len(mean_g), 0))
        for passes in range(2, max_passes + 1):
            sums = passed(f"PCA pass {passes}", mean_g, basis_gm[:, product_gm.shape[1] :])
            product_gm = np.hstack([product_gm, sums.product_gl])
            before_k, (variance_k, turn_mk) = variance_k, _ritz(basis_gm, product_gm, k)
            floor = 1e-6 * variance_k[0]  # below it there is nothing but rounding
            change = float(np.max((variance_k - before_k) / np.maximum(variance_k, floor)))
            room = len(mean_g) - basis_gm.shape[1]
            if change <= tolerance or passes == max_passes or not room:
                break
            basis_gm = np.hstack([basis_gm, _beyond(basis_gm, sums.product_gl[:, :room])])
        axes_kg = _signed((basis_gm @ turn_mk).T).astype(np.float32)
        return Fit(PrincipalComponents(mean_g, axes_kg, variance_k / sums.square), passes, change)


def streamed_scores(
    read: Read,
    row_pieces: Sequence[np.ndarray],
    components: PrincipalComponents,
    *,
    each: Each = one_by_one,
    on_piece: OnPiece = lambda what, done, total: None,
) -> np.ndarray:
    """Scores n x k, float32, of the samples in `row_pieces`, in their order."""
    n = sum(map(len, row_pieces))
    scores_nk = np.empty((n, len(components.axes_kg)), dtype=np.float32)
    done = 0
    with threadpool_limits(1, user_api="blas"):
        for piece_nk in each(partial(_scores, read, components), row_pieces):
            scores_nk[done : done + len(piece_nk)] = piece_nk
            done += len(piece_nk)
            on_piece("projection", done, n)
    return scores_nk


def _start_rows(read: Read, rows: np.ndarray, most: int | None, rng: np.random.Generator) -> np.ndarray:
    """Random rows, ascending; all where there are no more than `most`, or than START_BYTES hold."""
    if most is None:
        g = read(rows[:1]).shape[1]
        most = max(2, START_BYTES // (4 * max(g, 1)))
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _sums(read: Read, mean_g: np.ndarray, block_gl: np.ndarray, rows: np.ndarray) -> _Sums:
    """One piece's part of a pass; products in float32, which a batch's few samples can bear."""
    product_gl = np.zeros(block_gl.shape, dtype=np.float32)
    sum_g, measured_g, square = np.zeros(len(mean_g)), np.zeros(len(mean_g), dtype=np.int64), 0.0
    for batch in batches(rows):
        centred_ng = read(batch)
        centred_ng -= mean_g
        batch_g = centred_ng.sum(axis=0)
        measured_g += len(batch)
        if np.isnan(batch_g).any():
            missing_ng = np.isnan(centred_ng)
            np.copyto(centred_ng, 0, where=missing_ng)
            measured_g -= np.count_nonzero(missing_ng, axis=0)
            batch_g = centred_ng.sum(axis=0)
        sum_g += batch_g
        square += float(np.einsum("ng,ng->n", centred_ng, centred_ng).sum(dtype=np.float64))
        product_gl += centred_ng.T @ (centred_ng @ block_gl)
    return _Sums(product_gl, sum_g, measured_g, square)


def _folded(
    work: Callable[[np.ndarray], _Sums],
    row_pieces: Sequence[np.ndarray],
    shape: tuple[int, ...],
    each: Each,
    on_piece: Callable[[int, int], None],
) -> _Sums:
    """All pieces' sums, in double precision and in the order of the pieces."""
    product_gl, square = np.zeros(shape), 0.0
    sum_g, measured_g = np.zeros(shape[0]), np.zeros(shape[0], dtype=np.int64)
    done, n = 0, sum(map(len, row_pieces))
    for rows, sums in zip(row_pieces, each(work, row_pieces), strict=True):
        product_gl += sums.product_gl
        sum_g += sums.sum_g
        measured_g += sums.measured_g
        square += sums.square
        done += len(rows)
        on_piece(done, n)
    return _Sums(product_gl, sum_g, measured_g, square)


def _scores(read: Read, components: PrincipalComponents, rows: np.ndarray) -> np.ndarray:
    return np.concatenate([components.project(read(batch)) for batch in batches(rows)])


def _ritz(basis_gm: np.ndarray, product_gm: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest sums of squares along any axis of the basis, and the axes in terms of it, m x k."""
    inner_mm = basis_gm.T @ product_gm
    values_m, vectors_mm = np.linalg.eigh((inner_mm + inner_mm.T) / 2)
    return values_m[::-1][:k], vectors_mm[:, ::-1][:, :k]


def _beyond(basis_gm: np.ndarray, block_gl: np.ndarray) -> np.ndarray:
    """Orthonormal axes of what a block has beyond the basis; twice, because once leaves rounding."""
    for _ in range(2):
        block_gl = np.linalg.qr(block_gl - basis_gm @ (basis_gm.T @ block_gl))[0]
    return block_gl


def _signed(axes_kg: np.ndarray) -> np.ndarray:
    """The same axes, each with its largest part above zero: signs are a matter of taste."""
    largest_k = np.abs(axes_kg).argmax(axis=1)
    signs_k = np.sign(axes_kg[np.arange(len(axes_kg)), largest_k])
    return axes_kg * np.where(signs_k == 0, 1, signs_k)[:, None]
