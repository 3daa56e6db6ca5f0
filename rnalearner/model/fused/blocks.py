"""Blocks of the Performer as one function of autograd, forward and backward by hand.

Kept of a block for the backward pass: its input, its middle (after attention), attention's output and what
attention kept of each position. All else is computed again, so that a sample takes little memory. On a GPU
in bf16. Shapes: n samples, l positions, d model width, m = n l rows, c columns of queries, keys and values.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rnalearner.model.favor import launch
from rnalearner.model.fused.steps import add_norm, expand, expand_gradient, norm_gradient, outer
from rnalearner.model.fused.weights import N_PARAMETERS, Weights, parameters_of, weights_of

PIECE = 2
"""Blocks whose gradients are given away at a time where there are several workers."""
CHUNK = 8
"""Samples whose queries, keys, values and their gradients are there at a time in the backward pass."""


def through_blocks(hidden_nld: Tensor, measured_nl: Tensor, blocks: list[nn.ModuleList]) -> Tensor:
    """What these blocks of performer-pytorch's give, n l d; in bf16 on a GPU."""
    # Several workers: in pieces, so that the last blocks' gradients travel while the first ones' are made.
    size = PIECE if dist.is_available() and dist.is_initialized() else max(1, len(blocks))
    for first in range(0, len(blocks), size):
        piece = blocks[first : first + size]
        attentions: list[Any] = [block[0].fn for block in piece]
        projections = [attention.fast_attention.projection_matrix for attention in attentions]
        parameters = [parameter for block in piece for parameter in parameters_of(block)]
        hidden_nld = Blocks.apply(hidden_nld, measured_nl, projections, attentions[0].heads, *parameters)
    return hidden_nld


class Blocks(torch.autograd.Function):
    """hidden n l d through blocks, whose parameters (`parameters_of`) come one block after another."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_nld: Tensor,
        measured_nl: Tensor,
        projections: list[Tensor],
        heads: int,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.dtype, ctx.n = hidden_nld.dtype, len(hidden_nld)
        dtype = torch.bfloat16 if hidden_nld.is_cuda else torch.float32
        x_md = hidden_nld.to(dtype).reshape(-1, hidden_nld.shape[-1])
        change_md: Tensor | None = None
        measured = measured_nl.to(torch.uint8).contiguous()
        recorded = any(ctx.needs_input_grad)
        kept: list[Tensor] = []
        ctx.weights = []
        for index, projection_fk in enumerate(projections):
            own = parameters[index * N_PARAMETERS : (index + 1) * N_PARAMETERS]
            w = weights_of(own, projection_fk, heads, dtype)
            x_md, out_mk, middle_md, change_md, saved = _forward(x_md, change_md, ctx.n, measured, w)
            if recorded:
                ctx.weights.append(w)
                kept += [x_md, out_mk, middle_md, *saved.tensors()]
            x_md = middle_md
        ctx.save_for_backward(measured, *kept)
        assert change_md is not None  # noqa: S101 - there is a block
        return (x_md + change_md).view(hidden_nld.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_nld: Tensor) -> tuple[Tensor | None, ...]:
        measured, *kept = ctx.saved_tensors
        each = len(kept) // len(ctx.weights)
        grad_md = grad_nld.reshape(-1, grad_nld.shape[-1]).to(kept[0].dtype)
        gradients: list[Tensor] = []
        for index in reversed(range(len(ctx.weights))):
            x_md, out_mk, middle_md, *saved = kept[index * each :]
            del kept[index * each :]
            grad_md, own = _backward(
                grad_md, x_md, out_mk, middle_md, launch.Saved(*saved), ctx.n, measured, ctx.weights[index]
            )
            gradients = own + gradients
        return (grad_md.view(grad_nld.shape).to(ctx.dtype), None, None, None, *gradients)


def _forward(
    x_md: Tensor, change_md: Tensor | None, n: int, measured: Tensor, w: Weights
) -> tuple[Tensor, Tensor, Tensor, Tensor, launch.Saved]:
    """The block's input x + change, attention's output, the middle, and what is to be added to it."""
    x_md, normed_md = add_norm(x_md, change_md, w.norm_1)
    q, k, v = _heads(normed_md @ w.qkv.T, n, w.heads)
    out_mk = x_md.new_empty(len(x_md), w.out[0].shape[1])
    saved = launch.forward(q, k, v, measured, w.projection, _apart(out_mk, n, w.heads))
    middle_md, normed_md = add_norm(x_md, torch.addmm(w.out[1], out_mk, w.out[0].T), w.norm_2)
    change_md = torch.addmm(w.back[1], expand(normed_md, w.inner), w.back[0].T)
    return x_md, out_mk, middle_md, change_md, saved


def _backward(
    grad_md: Tensor, x_md: Tensor, out_mk: Tensor, middle_md: Tensor, saved: launch.Saved, n: int,
    measured: Tensor, w: Weights,
) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
    """The gradient of a block's input, and those of its parameters."""
    width = x_md.shape[1]
    _, normed_md = add_norm(middle_md, None, w.norm_2)
    inner_mi, grad_mi = expand_gradient(normed_md, w.inner, grad_md, w.back[0])
    back, inner = outer(grad_md, inner_mi), outer(grad_mi, normed_md)
    grad_normed_md = grad_mi @ w.inner[:, :width]
    del inner_mi, grad_mi, normed_md
    grad_md, norm_2w, norm_2b, back_b = norm_gradient(middle_md, w.norm_2[0], grad_normed_md, grad_md)

    out_w = outer(grad_md, out_mk)
    qkv = _attention_gradient(grad_md, x_md, out_mk, saved, n, measured, w, grad_normed_md)
    grad_md, norm_1w, norm_1b, out_b = norm_gradient(x_md, w.norm_1[0], grad_normed_md, grad_md)
    q, k, v = ((part[:, :width], part[:, width]) for part in qkv.chunk(3))
    return grad_md, [
        norm_1w, norm_1b, *q, *k, *v, out_w, out_b,
        norm_2w, norm_2b, inner[:, :width], inner[:, width], back, back_b,
    ]  # fmt: skip


def _attention_gradient(
    grad_md: Tensor, x_md: Tensor, out_mk: Tensor, saved: launch.Saved, n: int, measured: Tensor, w: Weights,
    grad_normed_md: Tensor,
) -> Tensor:  # fmt: skip
    """That of the weights of queries, keys and values, c x d; that of the normed input is written.

    Some samples at a time: their queries, keys and values and those gradients are what is largest.
    """
    length, width = len(x_md) // n, x_md.shape[1]
    qkv = torch.zeros(w.qkv.shape, dtype=torch.float32, device=x_md.device)
    for first in range(0, n, CHUNK):
        count = min(CHUNK, n - first)
        rows = slice(first * length, (first + count) * length)
        _, normed_md = add_norm(x_md[rows], None, w.norm_1)
        qkv_mc = normed_md @ w.qkv.T
        grad_mc = torch.empty_like(qkv_mc)
        launch.backward(
            _apart(grad_md[rows] @ w.out[0], count, w.heads), *_heads(qkv_mc, count, w.heads),
            measured[first : first + count], w.projection, _apart(out_mk[rows], count, w.heads),
            saved.part(slice(first * w.heads, (first + count) * w.heads)), *_heads(grad_mc, count, w.heads),
        )  # fmt: skip
        del qkv_mc
        qkv += outer(grad_mc, normed_md)
        torch.mm(grad_mc, w.qkv[:, :width], out=grad_normed_md[rows])
    return qkv


def _apart(x_mk: Tensor, n: int, heads: int) -> Tensor:
    """A view of all heads' numbers, n h l k."""
    return x_mk.view(n, len(x_mk) // n, heads, -1).transpose(1, 2)


def _heads(qkv_mc: Tensor, n: int, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views of queries, keys and values, n h l k."""
    q, k, v = qkv_mc.view(n, len(qkv_mc) // n, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return q, k, v
