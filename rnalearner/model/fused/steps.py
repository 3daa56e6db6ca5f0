"""The kernels beside attention, as functions. Shapes: m rows (positions of all samples), d width, i inner."""

import torch
import triton
from torch import Tensor

from rnalearner.model.fused import kernels
from rnalearner.model.fused.weights import padded

EPS = 1e-5
"""LayerNorm's own in torch."""
EXPAND = {"BM": 128, "BN": 64, "BK": 64, "num_warps": 4, "num_stages": 3}
EXPAND_GRADIENT = {"BM": 64, "BN": 64, "BK": 32, "num_warps": 4, "num_stages": 4}
"""Tiles of the feed-forward's kernels; fastest on an H100 (docs/log.md)."""
PARTS = 2112
"""Parts that rows are cut into where sums over them are left behind: 16 a multiprocessor of an H100."""


def add_norm(x_md: Tensor, change_md: Tensor | None, norm: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """x + change (x itself where there is none), and its LayerNorm with a column of ones behind it."""
    rows, width = x_md.shape
    total_md = x_md if change_md is None else torch.empty_like(x_md)
    normed_md = x_md.new_empty(rows, padded(width))
    kernels.add_norm[(triton.cdiv(rows, 8),)](
        x_md, x_md if change_md is None else change_md, *norm, total_md, normed_md, rows, EPS,
        CHANGED=change_md is not None, WIDTH=width, PADDED=padded(width),
        COLUMNS=triton.next_power_of_2(padded(width)), ROWS=8,
    )  # fmt: skip
    return total_md, normed_md


def norm_gradient(
    x_md: Tensor, weight_d: Tensor, grad_out_md: Tensor, grad_md: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, of the norm's weight and bias, and the sum of `grad_md` over rows.

    `grad_out_md` comes through the norm, `grad_md` past it.
    """
    rows, width = x_md.shape
    columns = triton.next_power_of_2(width)
    part_rows = triton.cdiv(triton.cdiv(rows, PARTS), 4) * 4
    parts = triton.cdiv(rows, part_rows)
    grad_x_md = torch.empty_like(x_md)
    sums = torch.empty(parts, 3, columns, dtype=torch.float32, device=x_md.device)
    kernels.norm_gradient[(parts,)](
        x_md, weight_d, grad_out_md, grad_md, grad_x_md, sums, rows, part_rows, EPS,
        WIDTH=width, COLUMNS=columns, ROWS=4, num_warps=2,
    )  # fmt: skip
    weight_d, bias_d, past_d = sums.sum(0)[:, :width]
    return grad_x_md, weight_d, bias_d, past_d


def expand(normed_md: Tensor, inner: Tensor) -> Tensor:
    """GELU of the feed-forward's first linear map, m x i."""
    rows, width = len(normed_md), len(inner)
    out_mi = normed_md.new_empty(rows, width)
    kernels.expand[(triton.cdiv(width, EXPAND["BN"]), triton.cdiv(rows, EXPAND["BM"]))](
        normed_md, inner, out_mi, rows, INNER=width, PADDED=normed_md.shape[1], **EXPAND
    )
    return out_mi


def expand_gradient(normed_md: Tensor, inner: Tensor, grad_md: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
    """What `expand` gives once more, and the gradient before its GELU, of `grad_md` after the second map."""
    rows, width = len(normed_md), len(inner)
    out_mi, grad_mi = normed_md.new_empty(rows, width), normed_md.new_empty(rows, width)
    tiles = EXPAND_GRADIENT
    kernels.expand_gradient[(triton.cdiv(width, tiles["BN"]), triton.cdiv(rows, tiles["BM"]))](
        normed_md, inner, grad_md, back, out_mi, grad_mi, rows, INNER=width, PADDED=normed_md.shape[1],
        WIDTH=grad_md.shape[1], **tiles,
    )  # fmt: skip
    return out_mi, grad_mi


def outer(left_ma: Tensor, right_mb: Tensor) -> Tensor:
    """left^T right in float32, a x b: a weight's gradient."""
    if left_ma.dtype == torch.float32:
        return left_ma.T @ right_mb
    return torch.mm(left_ma.T, right_mb, out_dtype=torch.float32)
