"""Triton kernels of a block beside its attention: norms with the sums around them, and the feed-forward.

A normed row has a 1 behind its d numbers and zeros up to `PADDED`, so that a product with [weight | bias]
adds the bias, and a weight's gradient has the bias' in its column d.
"""

import triton
import triton.language as tl


@triton.jit
def _standardised(x_rd, inside_d, eps, WIDTH: tl.constexpr):
    mean_r = tl.sum(x_rd, 1) / WIDTH
    centred_rd = tl.where(inside_d[None, :], x_rd - mean_r[:, None], 0.0)
    scale_r = tl.rsqrt(tl.sum(centred_rd * centred_rd, 1) / WIDTH + eps)
    return centred_rd * scale_r[:, None], scale_r


@triton.jit
def add_norm(
    x, change, weight, bias, total, out, n_rows, eps,
    CHANGED: tl.constexpr, WIDTH: tl.constexpr, PADDED: tl.constexpr, COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
):  # fmt: skip
    """LayerNorm of x + change into `out`, and that sum into `total`; of x alone where not CHANGED."""
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    columns = tl.arange(0, COLUMNS)
    inside_d = columns < WIDTH
    mask = (rows < n_rows)[:, None] & inside_d[None, :]
    at = rows[:, None] * WIDTH + columns[None, :]
    x_rd = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    if CHANGED:
        x_rd += tl.load(change + at, mask=mask, other=0.0).to(tl.float32)
        kept_rd = x_rd.to(total.dtype.element_ty)
        tl.store(total + at, kept_rd, mask=mask)
        x_rd = kept_rd.to(tl.float32)
    unit_rd, _ = _standardised(x_rd, inside_d, eps, WIDTH)
    weight_d = tl.load(weight + columns, mask=inside_d, other=0.0)
    bias_d = tl.load(bias + columns, mask=inside_d, other=0.0)
    out_rd = tl.where((columns == WIDTH)[None, :], 1.0, unit_rd * weight_d[None, :] + bias_d[None, :])
    pointers = out + rows[:, None] * PADDED + columns[None, :]
    kept = (rows < n_rows)[:, None] & (columns < PADDED)[None, :]
    tl.store(pointers, out_rd.to(out.dtype.element_ty), mask=kept)


@triton.jit
def norm_gradient(
    x, weight, grad_out, grad, grad_x, sums, n_rows, part_rows, eps,
    WIDTH: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Gradient of x, which goes to a norm (`grad_out`) and past it (`grad`).

    `sums`, programs x 3 x columns: those of the norm's weight and bias, and of `grad` over the rows.
    """
    part = tl.program_id(0)
    columns = tl.arange(0, COLUMNS)
    inside_d = columns < WIDTH
    weight_d = tl.load(weight + columns, mask=inside_d, other=0.0)
    weight_rd = tl.zeros([ROWS, COLUMNS], tl.float32)
    bias_rd = tl.zeros([ROWS, COLUMNS], tl.float32)
    past_rd = tl.zeros([ROWS, COLUMNS], tl.float32)
    begin = part * part_rows
    end = tl.minimum(begin + part_rows, n_rows)
    for start in range(begin, end, ROWS):
        rows = (start + tl.arange(0, ROWS)).to(tl.int64)
        mask = (rows < end)[:, None] & inside_d[None, :]
        at = rows[:, None] * WIDTH + columns[None, :]
        x_rd = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
        grad_out_rd = tl.load(grad_out + at, mask=mask, other=0.0).to(tl.float32)
        grad_rd = tl.load(grad + at, mask=mask, other=0.0).to(tl.float32)
        unit_rd, scale_r = _standardised(x_rd, inside_d, eps, WIDTH)
        weight_rd += grad_out_rd * unit_rd
        bias_rd += grad_out_rd
        past_rd += grad_rd
        pull_rd = grad_out_rd * weight_d[None, :]
        level_r = tl.sum(pull_rd, 1) / WIDTH
        slope_r = tl.sum(pull_rd * unit_rd, 1) / WIDTH
        pull_rd = scale_r[:, None] * (pull_rd - level_r[:, None] - unit_rd * slope_r[:, None])
        tl.store(grad_x + at, (grad_rd + pull_rd).to(grad_x.dtype.element_ty), mask=mask)
    sums += part * 3 * COLUMNS + columns
    tl.store(sums, tl.sum(weight_rd, 0))
    tl.store(sums + COLUMNS, tl.sum(bias_rd, 0))
    tl.store(sums + 2 * COLUMNS, tl.sum(past_rd, 0))


@triton.jit
def _normal(x):
    """The normal distribution's function and density (Abramowitz and Stegun 7.1.25: within 1.3e-5)."""
    size = tl.abs(x) * 0.7071067811865476
    t = 1.0 / (1.0 + 0.47047 * size)
    power = tl.exp2(size * size * -1.4426950408889634)
    series = t * (0.3480242 + t * (-0.0958798 + t * 0.7478556))
    above = 0.5 * series * power
    return tl.where(x < 0, above, 1.0 - above), power * 0.3989422804014327


@triton.jit
def _expansion(acc, a, weight, rows, columns, k, INNER: tl.constexpr, PADDED: tl.constexpr):
    """acc and what columns k of a and of the weight add to a weight^T."""
    a_mk = tl.load(a + rows[:, None] * PADDED + k[None, :], mask=(k < PADDED)[None, :], other=0.0)
    mask = (k < PADDED)[:, None] & (columns < INNER)[None, :]
    weight_kn = tl.load(weight + columns[None, :] * PADDED + k[:, None], mask=mask, other=0.0)
    return tl.dot(a_mk, weight_kn, acc)


@triton.jit
def expand(
    a, weight, out, n_rows,
    INNER: tl.constexpr, PADDED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """GELU(a weight^T): a n x PADDED, weight INNER x PADDED."""
    columns = tl.program_id(0) * BN + tl.arange(0, BN)
    rows = (tl.program_id(1) * BM + tl.arange(0, BM)).to(tl.int64)
    inside = tl.minimum(rows, n_rows - 1)
    acc = tl.zeros([BM, BN], tl.float32)
    for start in range(0, PADDED, BK):
        k = start + tl.arange(0, BK)
        acc = _expansion(acc, a, weight, inside, columns, k, INNER, PADDED)
    below, _ = _normal(acc)
    mask = (rows < n_rows)[:, None] & (columns < INNER)[None, :]
    tl.store(
        out + rows[:, None] * INNER + columns[None, :], (acc * below).to(out.dtype.element_ty), mask=mask
    )


@triton.jit
def expand_gradient(
    a, weight, grad, back, out, grad_inner, n_rows,
    INNER: tl.constexpr, PADDED: tl.constexpr, WIDTH: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    BK: tl.constexpr,
):  # fmt: skip
    """`expand` once more into `out`, and the gradient before its GELU, of grad n x WIDTH times back.

    back WIDTH x INNER is the weight of the linear map that follows.
    """
    columns = tl.program_id(0) * BN + tl.arange(0, BN)
    rows = (tl.program_id(1) * BM + tl.arange(0, BM)).to(tl.int64)
    inside = tl.minimum(rows, n_rows - 1)
    acc = tl.zeros([BM, BN], tl.float32)
    pull = tl.zeros([BM, BN], tl.float32)
    for start in range(0, PADDED, BK):
        k = start + tl.arange(0, BK)
        acc = _expansion(acc, a, weight, inside, columns, k, INNER, PADDED)
        grad_mk = tl.load(grad + inside[:, None] * WIDTH + k[None, :], mask=(k < WIDTH)[None, :], other=0.0)
        mask = (k < WIDTH)[:, None] & (columns < INNER)[None, :]
        back_kn = tl.load(back + k[:, None] * INNER + columns[None, :], mask=mask, other=0.0)
        pull = tl.dot(grad_mk, back_kn, pull)
    below, density = _normal(acc)
    mask = (rows < n_rows)[:, None] & (columns < INNER)[None, :]
    at = rows[:, None] * INNER + columns[None, :]
    tl.store(out + at, (acc * below).to(out.dtype.element_ty), mask=mask)
    tl.store(grad_inner + at, (pull * (below + acc * density)).to(grad_inner.dtype.element_ty), mask=mask)
