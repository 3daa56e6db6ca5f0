"""FAVOR+ by the Triton kernels, as one differentiable function. Imported only where there is Triton."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnalearner.model.favor import launch
from rnalearner.model.favor.formula import project


# A break in a compiled graph: the compiler knows neither the kernels' order nor what they write.
@torch.compiler.disable
def fused_attention(
    q_nhlk: Tensor, k_nhlk: Tensor, v_nhlk: Tensor, measured_nl: Tensor | None, projection_fk: Tensor
) -> Tensor:
    """What rnalearner.model.favor.plain.plain_attention gives, n h l k; bf16 or float32, all of one type."""
    out_nhlk: Tensor = FusedAttention.apply(q_nhlk, k_nhlk, v_nhlk, measured_nl, projection_fk)
    return out_nhlk


class FusedAttention(torch.autograd.Function):
    """`fused_attention`, once differentiable; of features it keeps none."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, measured_nl: Tensor | None, projection_fk: Tensor
    ) -> Tensor:
        q, k, v = _rows(q), _rows(k), _rows(v)
        measured = None if measured_nl is None else measured_nl.contiguous().view(torch.uint8)
        projection = project(projection_fk, q.dtype)
        n, h, n_rows, width = q.shape
        # Heads side by side in memory: the output's linear map takes them without a copy.
        out = q.new_empty(n, n_rows, h, width).transpose(1, 2)
        with torch.cuda.device_of(q):
            saved = launch.forward(q, k, v, measured, projection, out)
        ctx.save_for_backward(q, k, v, measured, out, *saved.tensors())
        ctx.projection = projection
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, measured, out, *kept = ctx.saved_tensors
        saved = launch.Saved(*kept)
        grad_q, grad_k, grad_v = (torch.empty_like(x) for x in (q, k, v))
        with torch.cuda.device_of(q):
            launch.backward(
                _rows(grad), q, k, v, measured, ctx.projection, out, saved, grad_q, grad_k, grad_v
            )
        return grad_q, grad_k, grad_v, None, None


def _rows(x: Tensor) -> Tensor:
    return x if x.stride(3) == 1 else x.contiguous()
