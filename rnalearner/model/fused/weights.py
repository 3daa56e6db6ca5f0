"""A block's parameters as the kernels take them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rnalearner.model.favor.formula import Projection, project

COLUMN_STEP = 16
"""A normed row is wider than its d numbers, by 1 at least and up to a multiple: column d is for biases."""


@dataclass(frozen=True)
class Weights:
    """In the kernels' type; `qkv` and `inner` are [weight | bias | zeros]; norms stay in float32."""

    norm_1: tuple[Tensor, Tensor]
    qkv: Tensor
    out: tuple[Tensor, Tensor]
    norm_2: tuple[Tensor, Tensor]
    inner: Tensor
    back: tuple[Tensor, Tensor]
    projection: Projection
    heads: int


N_PARAMETERS = 16


def parameters_of(block: nn.ModuleList) -> list[nn.Parameter]:
    """A block's parameters in the order in which `weights_of` takes them."""
    first: Any = block[0]
    second: Any = block[1]
    attention, feedforward = first.fn, second.fn.fn
    modules = (
        first.norm, attention.to_q, attention.to_k, attention.to_v, attention.to_out,
        second.norm, feedforward.w1, feedforward.w2,
    )  # fmt: skip
    return [parameter for module in modules for parameter in (module.weight, module.bias)]


def weights_of(
    parameters: tuple[Tensor, ...], projection_fk: Tensor, heads: int, dtype: torch.dtype
) -> Weights:
    norm_1, q, k, v, out, norm_2, inner, back = zip(parameters[::2], parameters[1::2], strict=True)
    return Weights(
        norm_1=norm_1,
        qkv=torch.cat([_with_bias(*linear, dtype) for linear in (q, k, v)]),
        out=(out[0].to(dtype), out[1].to(dtype)),
        norm_2=norm_2,
        inner=_with_bias(*inner, dtype),
        back=(back[0].to(dtype), back[1].to(dtype)),
        projection=project(projection_fk, dtype),
        heads=heads,
    )


def padded(width: int) -> int:
    """Columns of a normed row of `width` numbers."""
    return (width // COLUMN_STEP + 1) * COLUMN_STEP


def _with_bias(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    width = weight.shape[1]
    both = weight.new_zeros(len(weight), padded(width), dtype=dtype)
    both[:, :width] = weight
    both[:, width] = bias
    return both
