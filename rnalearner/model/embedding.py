"""Rows of a table and rows of a batch, picked with gradients that cost little on a GPU."""

from typing import Any

import torch
from torch import Tensor


class _Embedded(torch.autograd.Function):
    """`table_td[index]`; its gradient is a product, where torch's sorts all indices or adds one by one."""

    @staticmethod
    def forward(ctx: Any, table_td: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = len(table_td)
        return table_td[index]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        token_t = torch.arange(ctx.rows, device=index.device)
        which_tm = (token_t[:, None] == index.flatten()).to(grad.dtype)
        return which_tm @ grad.flatten(0, -2), None


class _Picked(torch.autograd.Function):
    """`hidden_nld[sample_m, position_m]`, no pair twice; its gradient is stored, not added up."""

    @staticmethod
    def forward(ctx: Any, hidden_nld: Tensor, sample_m: Tensor, position_m: Tensor) -> Tensor:
        ctx.save_for_backward(sample_m, position_m)
        ctx.shape = hidden_nld.shape
        return hidden_nld[sample_m, position_m]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_md: Tensor) -> tuple[Tensor, None, None]:
        sample_m, position_m = ctx.saved_tensors
        grad_nld = grad_md.new_zeros(ctx.shape)
        grad_nld[sample_m, position_m] = grad_md
        return grad_nld, None, None


def embedded(table_td: Tensor, index: Tensor) -> Tensor:
    """Rows of a short table, index's shape x d."""
    result: Tensor = _Embedded.apply(table_td, index)
    return result


def picked(hidden_nld: Tensor, sample_m: Tensor, position_m: Tensor) -> Tensor:
    """Hidden states m x d of pairs (sample, position) of which none comes twice."""
    result: Tensor = _Picked.apply(hidden_nld, sample_m, position_m)
    return result
