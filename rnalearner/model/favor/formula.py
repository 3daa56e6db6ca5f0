"""FAVOR+ attention (Choromanski et al. 2021, arXiv:2009.14794), with performer-pytorch's constants.

Shapes: n samples, h heads, l positions, k head width, f random features. With c = k**-1/4, a projection
w_fk and eps = 1e-4, a query and a key have the positive features

    phi(q)_f = exp(c q.w_f - |c q|^2 / 2 - max over f)            + eps
    phi(k)_f = exp(c k.w_f - |c k|^2 / 2 - max over f and all l)  + eps

(the maxima are of c x.w_f alone, and take no gradient), and

    out_l = sum_f phi(q_l)_f context_f / sum_f phi(q_l)_f weight_f,
    context_f = sum_l phi(k_l)_f v_l,    weight_f = sum_l phi(k_l)_f.

Where this package's arithmetic is another than performer-pytorch's, and how far that reaches:
- The factor f**-1/2 of both features cancels between the two sums and is left out.
- The context is kept minus weight_f times the mean value, which is added to the output: equal, but bf16 then
  rounds what differs between features instead of what they share.
- A key's exponent is gathered relative to S = max_f |w_f|^2 / 2 - HEADROOM, which it never exceeds by more
  than HEADROOM, and the maximum M over all keys is put in at the end: no second pass. A feature that is more
  than e**-9 of eps beside M can vanish in float32 only where S - M > 69, that is max |w_f|^2 > 218; for
  266 rows of 64 normal numbers that has a probability below 1e-15.
- A query's is gathered relative to |c q| max|w_f|. Features vanish only where |c q| exceeds 7, and then
  are below e**-24, against an eps of e**-9.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

EPS = 1e-4
"""Added to every feature (performer-pytorch's `softmax_kernel`)."""
HEADROOM = 40.0
LOG2_E = 1.4426950408889634


TILE = 64
"""Padding: features come in whole tiles."""


@dataclass(frozen=True)
class Projection:
    """A projection as the kernels take it; made anew whenever it is redrawn."""

    padded_fk: Tensor
    """Times c and log2 e, so that products are exponents of 2; zeros up to whole tiles, at least a row of
    them, and up to a power of 2 in columns."""
    shift: Tensor
    """What keys' exponents are gathered relative to."""
    longest: Tensor
    """The longest row's length."""
    n_features: int


def project(projection_fk: Tensor, dtype: torch.dtype) -> Projection:
    """`projection_fk` in `dtype` for the kernels, without a wait for the device."""
    n_features, width = projection_fk.shape
    columns = max(16, 1 << (width - 1).bit_length())
    padded_fk = torch.zeros(
        (n_features // TILE + 1) * TILE, columns, dtype=dtype, device=projection_fk.device
    )
    padded_fk[:n_features, :width] = projection_fk * (width**-0.25 * LOG2_E)
    longest = padded_fk.float().square().sum(1).max().sqrt()
    # |w|^2 / 2 in base 2, from (c log2 e)^2 |w|^2.
    shift = longest.square() * (width**0.5 / LOG2_E / 2) - HEADROOM * LOG2_E
    return Projection(padded_fk, shift, longest, n_features)
