"""FAVOR+ in plain PyTorch, a block of positions at a time, for CPUs.

Names and formula as in rnalearner.model.favor.formula; e is a feature without its eps. A block's features
are made, used and forgotten while they lie in the cache, and made again for the backward pass. What shares
a product lies side by side in c columns, which are k, one more, and zeros: the scaled projection and ones
(`scaled_fc`), values and ones, the context and the weights (`context_nhfc`), a position's two sums; and the
gradients of these (`pull`).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnalearner.model.favor.formula import EPS

BLOCK = 2**19
"""Numbers of a block's features: 2 MiB of float32, a core's part of its cache. Forward and backward on one
core take 5.8 s with 128 KiB, 3.4 with 1 or 2 MiB, 4.1 with 8 (2 samples of 15,118 positions, 10 heads);
for 8 samples of 1,001 positions they take 43, 22, 21 and 21 ms: there it is calls that cost."""
COLUMNS = 8
"""What c is a multiple of: MKL takes four times as long for products of 9 columns as of 16."""


def plain_attention(
    q_nhlk: Tensor, k_nhlk: Tensor, v_nhlk: Tensor, measured_nl: Tensor | None, projection_fk: Tensor
) -> Tensor:
    """What performer_pytorch.FastAttention gives, n h l k, in the queries' type.

    `measured_nl`: False where a value counts as 0 while its key counts; None: all are measured. Half
    precision is computed in float32.
    """
    half = q_nhlk.dtype.itemsize < 4
    qkv = (x_nhlk.float() if half else x_nhlk for x_nhlk in (q_nhlk, k_nhlk, v_nhlk))
    out_nhlk: Tensor = PlainAttention.apply(*qkv, measured_nl, projection_fk)
    return out_nhlk.to(q_nhlk.dtype)


class PlainAttention(torch.autograd.Function):
    """`plain_attention` of float32 or float64, once differentiable; of features it keeps none."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, measured_nl: Tensor | None, projection_fk: Tensor
    ) -> Tensor:
        n, h, n_rows, width = q.shape
        seen_nl = q.new_ones(n, n_rows) if measured_nl is None else measured_nl.to(q.dtype)
        scaled_fk = projection_fk.to(q.dtype) * width**-0.25
        scaled_fc = _beside(scaled_fk, scaled_fk.new_ones(len(scaled_fk)))
        # Heads side by side in memory: the output's linear map takes them without a copy.
        out = q.new_empty(n, n_rows, h, width).transpose(1, 2)
        context_nhfc, highest_nh = q.new_zeros(n, h, *scaled_fc.shape), q.new_full((n, h), -torch.inf)
        shift_nhl, normaliser_nhl = q.new_empty(2, n, h, n_rows)
        with torch.autocast(q.device.type, enabled=False):
            for s, blocks in _blocks(q, len(scaled_fc)):
                _gather(k[s], v[s], seen_nl[s], scaled_fc, blocks, context_nhfc[s], highest_nh[s])
                _attend(q[s], context_nhfc[s], scaled_fc, blocks, out[s], shift_nhl[s], normaliser_nhl[s])
        kept = (out, context_nhfc, highest_nh, shift_nhl, normaliser_nhl)
        ctx.save_for_backward(q, k, v, seen_nl, scaled_fc, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, seen_nl, scaled_fc, *kept = ctx.saved_tensors
        out, context_nhfc, highest_nh, shift_nhl, normaliser_nhl = kept
        grad_q, grad_k, grad_v = (torch.empty_like(x) for x in (q, k, v))
        with torch.autocast(q.device.type, enabled=False):
            for s, blocks in _blocks(q, len(scaled_fc)):
                pull_nhfc = torch.zeros_like(context_nhfc[s])
                _query_gradient(
                    grad[s], q[s], out[s], context_nhfc[s], shift_nhl[s], normaliser_nhl[s], scaled_fc,
                    blocks, pull_nhfc, grad_q[s],
                )  # fmt: skip
                _key_gradient(
                    k[s], v[s], seen_nl[s], highest_nh[s], pull_nhfc, scaled_fc, blocks,
                    grad_k[s], grad_v[s],
                )  # fmt: skip
        return grad_q, grad_k, grad_v, None, None


def _gather(
    k: Tensor, v: Tensor, seen_nl: Tensor, scaled_fc: Tensor, blocks: list[slice],
    context_nhfc: Tensor, highest_nh: Tensor,
) -> None:  # fmt: skip
    """Sums up the context, which comes as 0, relative to the highest exponent so far: no second pass."""
    eps_nhc = torch.zeros_like(context_nhfc[:, :, 0])
    for b in blocks:
        values_nhlc = _values(v[:, :, b], seen_nl[:, b])
        e_nhlf = k[:, :, b] @ scaled_fc[:, : k.shape[3]].T
        before_nh = highest_nh.clone()
        torch.maximum(before_nh, e_nhlf.amax((2, 3)), out=highest_nh)
        e_nhlf.sub_((_half_square(k[:, :, b]) + highest_nh[..., None])[..., None]).exp_()
        context_nhfc *= (before_nh - highest_nh).exp()[..., None, None]
        _add_product(context_nhfc, e_nhlf, values_nhlc)
        eps_nhc += EPS * values_nhlc.sum(2)
    context_nhfc += eps_nhc[:, :, None]


def _attend(
    q: Tensor, context_nhfc: Tensor, scaled_fc: Tensor, blocks: list[slice],
    out: Tensor, shift_nhl: Tensor, normaliser_nhl: Tensor,
) -> None:  # fmt: skip
    """Writes `out`; and for the backward pass what exponents are relative to, and normalisers."""
    width = q.shape[3]
    eps_nh1c = EPS * context_nhfc.sum(2, keepdim=True)
    for b in blocks:
        e_nhlf = q[:, :, b] @ scaled_fc[:, :width].T
        shift_nhl[:, :, b] = e_nhlf.amax(3) + _half_square(q[:, :, b])
        e_nhlf.sub_(shift_nhl[:, :, b, None]).exp_()
        sums_nhlc = e_nhlf @ context_nhfc + eps_nh1c
        normaliser_nhl[:, :, b] = sums_nhlc[..., width]
        torch.div(sums_nhlc[..., :width], sums_nhlc[..., width, None], out=out[:, :, b])


def _query_gradient(
    grad: Tensor, q: Tensor, out: Tensor, context_nhfc: Tensor, shift_nhl: Tensor, normaliser_nhl: Tensor,
    scaled_fc: Tensor, blocks: list[slice], pull_nhfc: Tensor, grad_q: Tensor,
) -> None:  # fmt: skip
    """Writes `grad_q`, and sums up the context's gradient, which comes as 0."""
    eps_nhc = torch.zeros_like(pull_nhfc[:, :, 0])
    for b in blocks:
        change_nhl = -(grad[:, :, b] * out[:, :, b]).sum(3)
        pull_nhlc = _beside(grad[:, :, b], change_nhl) / normaliser_nhl[:, :, b, None]
        e_nhlf = _features(q[:, :, b], shift_nhl[:, :, b], scaled_fc)
        _add_product(pull_nhfc, e_nhlf, pull_nhlc)
        eps_nhc += EPS * pull_nhlc.sum(2)
        e_nhlf *= pull_nhlc @ context_nhfc.mT
        _input_gradient(e_nhlf, q[:, :, b], scaled_fc, grad_q[:, :, b])
    pull_nhfc += eps_nhc[:, :, None]


def _key_gradient(
    k: Tensor, v: Tensor, seen_nl: Tensor, highest_nh: Tensor, pull_nhfc: Tensor, scaled_fc: Tensor,
    blocks: list[slice], grad_k: Tensor, grad_v: Tensor,
) -> None:  # fmt: skip
    """Writes the last two."""
    width = k.shape[3]
    eps_nh1c = EPS * pull_nhfc.sum(2, keepdim=True)
    for b in blocks:
        e_nhlf = _features(k[:, :, b], _half_square(k[:, :, b]) + highest_nh[..., None], scaled_fc)
        sums_nhlc = e_nhlf @ pull_nhfc + eps_nh1c
        torch.mul(sums_nhlc[..., :width], seen_nl[:, None, b, None], out=grad_v[:, :, b])
        e_nhlf *= _values(v[:, :, b], seen_nl[:, b]) @ pull_nhfc.mT
        _input_gradient(e_nhlf, k[:, :, b], scaled_fc, grad_k[:, :, b])


def _features(x: Tensor, shift_nhl: Tensor, scaled_fc: Tensor) -> Tensor:
    """e, n h l f: the shift is one more column, which the ones beside the projection meet."""
    return (_beside(x, -shift_nhl) @ scaled_fc.T).exp_()


def _input_gradient(change_nhlf: Tensor, x: Tensor, scaled_fc: Tensor, grad: Tensor) -> None:
    """Writes `grad`, from the exponents' gradient."""
    width = x.shape[3]
    sums_nhlc = change_nhlf @ scaled_fc
    torch.sub(sums_nhlc[..., :width], sums_nhlc[..., width, None] * x, alpha=width**-0.5, out=grad)


def _add_product(sums_nhfc: Tensor, e_nhlf: Tensor, rows_nhlc: Tensor) -> None:
    """Adds e^T rows in place: another pass over the context for every block takes 4 percent."""
    sums_nhfc.flatten(0, 1).baddbmm_(e_nhlf.flatten(0, 1).mT, rows_nhlc.flatten(0, 1))


def _values(v: Tensor, seen_nl: Tensor) -> Tensor:
    # A product, not masked_fill, which takes six times as long: a value that is no number comes with a key
    # that is none.
    return _beside(v * seen_nl[:, None, :, None], torch.ones_like(v[..., 0]))


def _half_square(x: Tensor) -> Tensor:
    """|c x|^2 / 2."""
    return x.square().sum(-1) * (x.shape[-1] ** -0.5 / 2)


def _beside(x: Tensor, column: Tensor) -> Tensor:
    """`x`, a column, and zeros: c columns."""
    zeros = x.new_zeros(1).expand(*column.shape, -(x.shape[-1] + 1) % COLUMNS)
    return torch.cat([x, column.unsqueeze(-1), zeros], -1)


def _blocks(q: Tensor, n_features: int) -> Iterator[tuple[slice, list[slice]]]:
    """Samples taken together, and their positions, so that features of all heads are BLOCK at most."""
    n, h, n_rows, _ = q.shape
    rows = max(1, BLOCK // (h * n_features))
    samples = max(1, rows // max(1, n_rows))
    blocks = [slice(start, start + rows) for start in range(0, n_rows, rows)]
    for start in range(0, n, samples):
        yield slice(start, start + samples), blocks
