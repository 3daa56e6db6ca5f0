"""Triton kernels of FAVOR+: positions from features. They are made in registers and never stored.

Names as in rnalearner.model.favor.formula. Exponents are in base 2, and the projection is scaled so that
its products are such exponents. `DOT` is the precision of products of float32; bf16 operands are summed in
float32. nh counts samples and heads.
"""

import triton
import triton.language as tl

from rnalearner.model.favor.tiles import store, tile


@triton.jit
def _attend(
    q_lk, projection, context, weights, feature_f, columns, shift_l, acc_lk, norm_l, top_l,
    N_FEATURES: tl.constexpr, LAST: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    BK: tl.constexpr = columns.shape[0]
    projection_fk = tile(projection, BK, feature_f, columns, BK)
    context_fk = tile(context, BK, feature_f, columns, BK)
    weight_f = tile(weights, 16, feature_f, tl.arange(0, 16), 16)
    dash_lf = tl.dot(q_lk, tl.trans(projection_fk), input_precision=DOT)
    phi_lf = tl.exp2(dash_lf - shift_l[:, None])
    if LAST:
        dash_lf = tl.where((feature_f < N_FEATURES)[None, :], dash_lf, float("-inf"))
    top_l = tl.maximum(top_l, tl.max(dash_lf, 1))
    phi_lf = phi_lf.to(context_fk.dtype)
    norm_l = tl.dot(phi_lf, weight_f, norm_l, input_precision=DOT)
    acc_lk = tl.dot(phi_lf, context_fk, acc_lk, input_precision=DOT)
    return acc_lk, norm_l, top_l


@triton.jit
def attend(
    q, projection, longest, context, weights, mean, context_rest, weight_rest, out, row_shift, share,
    n_rows, heads, q_n, q_h, q_l, out_n, out_h, out_l, half,
    N_FEATURES: tl.constexpr, PADDED: tl.constexpr, FULL: tl.constexpr, TAIL: tl.constexpr, BT: tl.constexpr,
    BL: tl.constexpr, WIDTH: tl.constexpr, BK: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """Positions from features: each query's weighted mean of the context.

    Stored for the backward pass: the query's exponent shift, its maximum and normaliser in it, and by how
    much it divides.
    """
    block, nh = tl.program_id(0), tl.program_id(1)
    n, h = nh // heads, nh % heads
    columns = tl.arange(0, BK)
    q += n.to(tl.int64) * q_n + h * q_h
    out += n.to(tl.int64) * out_n + h * out_h
    context += nh.to(tl.int64) * PADDED * BK
    weights += nh * PADDED * 16
    by_row = nh.to(tl.int64) * n_rows
    mean_k = tl.load(mean + nh * BK + columns)
    rest_k = tl.load(context_rest + nh * BK + columns)
    weight_eps = tl.load(weight_rest + nh)
    bound = tl.load(longest)
    rows = block * BL + tl.arange(0, BL)
    q_lk = tile(q, q_l, tl.minimum(rows, n_rows - 1), columns, WIDTH)
    q32_lk = q_lk.to(tl.float32)
    square_l = tl.sum(q32_lk * q32_lk, 1)
    # No exponent is above this (Cauchy, Schwarz), so the maximum need not be known beforehand.
    bound_l = tl.sqrt(square_l) * bound
    shift_l = square_l * half + bound_l
    acc_lk = tl.zeros([BL, BK], tl.float32)
    norms_l = tl.zeros([BL, 16], tl.float32)
    top_l = tl.full([BL], float("-inf"), tl.float32)
    for first in range(0, FULL, BT):
        acc_lk, norms_l, top_l = _attend(
            q_lk, projection, context, weights, first + tl.arange(0, BT), columns, shift_l,
            acc_lk, norms_l, top_l, N_FEATURES, False, DOT,
        )  # fmt: skip
    if N_FEATURES > FULL:
        acc_lk, norms_l, top_l = _attend(
            q_lk, projection, context, weights, FULL + tl.arange(0, TAIL), columns, shift_l,
            acc_lk, norms_l, top_l, N_FEATURES, True, DOT,
        )  # fmt: skip
    # Where the bound is so far off that features vanish, they are far below eps (formula.py).
    factor_l = tl.exp2(tl.minimum(bound_l - top_l, 100.0))
    norm_l = tl.sum(tl.where(tl.arange(0, 16)[None, :] < 2, norms_l, 0.0), 1) * factor_l + weight_eps
    out_lk = (acc_lk * factor_l[:, None] + rest_k[None, :]) / norm_l[:, None] + mean_k[None, :]
    tl.store(row_shift + by_row + rows, square_l * half + top_l + tl.log2(norm_l), mask=rows < n_rows)
    tl.store(share + by_row + rows, 1 / norm_l, mask=rows < n_rows)
    store(out, out_l, rows, columns, out_lk, n_rows, WIDTH)


@triton.jit
def _query_gradient(
    q_lk, grad_lk, projection, context, weight, feature_f, columns, shift_l, change_l, acc_lk, sum_l,
    DOT: tl.constexpr,
):  # fmt: skip
    BK: tl.constexpr = columns.shape[0]
    projection_fk = tile(projection, BK, feature_f, columns, BK)
    context_fk = tile(context, BK, feature_f, columns, BK)
    weight_f = tl.load(weight + feature_f)
    dash_lf = tl.dot(q_lk, tl.trans(projection_fk), input_precision=DOT)
    pull_lf = tl.dot(grad_lk, tl.trans(context_fk), input_precision=DOT)
    pull_lf = (pull_lf + change_l[:, None] * weight_f[None, :]) * tl.exp2(dash_lf - shift_l[:, None])
    sum_l += tl.sum(pull_lf, 1)
    acc_lk = tl.dot(pull_lf.to(projection_fk.dtype), projection_fk, acc_lk, input_precision=DOT)
    return acc_lk, sum_l


@triton.jit
def query_gradient(
    q, grad, out, projection, context, weight, mean, row_shift, change, grad_q,
    n_rows, heads, q_n, q_h, q_l, g_n, g_h, g_l, out_n, out_h, out_l, d_n, d_h, d_l, unscale, half,
    N_FEATURES: tl.constexpr, PADDED: tl.constexpr, FULL: tl.constexpr, TAIL: tl.constexpr, BT: tl.constexpr,
    BL: tl.constexpr, WIDTH: tl.constexpr, BK: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """Gradient of the queries; and `change`, that of each normaliser but for a division, for later."""
    block, nh = tl.program_id(0), tl.program_id(1)
    n, h = nh // heads, nh % heads
    columns = tl.arange(0, BK)
    q += n.to(tl.int64) * q_n + h * q_h
    grad += n.to(tl.int64) * g_n + h * g_h
    out += n.to(tl.int64) * out_n + h * out_h
    grad_q += n.to(tl.int64) * d_n + h * d_h
    context += nh.to(tl.int64) * PADDED * BK
    weight += nh * PADDED
    by_row = nh.to(tl.int64) * n_rows
    mean_k = tl.load(mean + nh * BK + columns)
    rows = block * BL + tl.arange(0, BL)
    inside = tl.minimum(rows, n_rows - 1)
    q_lk = tile(q, q_l, inside, columns, WIDTH)
    grad_lk = tile(grad, g_l, inside, columns, WIDTH)
    out_lk = tile(out, out_l, inside, columns, WIDTH)
    change_l = -tl.sum(grad_lk.to(tl.float32) * (out_lk.to(tl.float32) - mean_k[None, :]), 1)
    tl.store(change + by_row + rows, change_l, mask=rows < n_rows)
    shift_l = tl.load(row_shift + by_row + inside)
    acc_lk = tl.zeros([BL, BK], tl.float32)
    sum_l = tl.zeros([BL], tl.float32)
    for first in range(0, FULL, BT):
        acc_lk, sum_l = _query_gradient(
            q_lk, grad_lk, projection, context, weight, first + tl.arange(0, BT), columns, shift_l, change_l,
            acc_lk, sum_l, DOT,
        )  # fmt: skip
    if N_FEATURES > FULL:
        acc_lk, sum_l = _query_gradient(
            q_lk, grad_lk, projection, context, weight, FULL + tl.arange(0, TAIL), columns, shift_l, change_l,
            acc_lk, sum_l, DOT,
        )  # fmt: skip
    grad_q_lk = acc_lk * unscale - (2 * half * unscale) * sum_l[:, None] * q_lk.to(tl.float32)
    store(grad_q, d_l, rows, columns, grad_q_lk, n_rows, WIDTH)


@triton.jit
def _key_gradient(
    k_lk, v_lk, projection, context, weight, feature_f, columns, shift_l, key_lk, value_lk, sum_l,
    DOT: tl.constexpr,
):  # fmt: skip
    BK: tl.constexpr = columns.shape[0]
    projection_fk = tile(projection, BK, feature_f, columns, BK)
    context_fk = tile(context, BK, feature_f, columns, BK)
    weight_f = tl.load(weight + feature_f)
    dash_lf = tl.dot(k_lk, tl.trans(projection_fk), input_precision=DOT)
    pull_lf = tl.dot(v_lk, tl.trans(context_fk), input_precision=DOT)
    phi_lf = tl.exp2(dash_lf - shift_l[:, None])
    value_lk = tl.dot(phi_lf.to(context_fk.dtype), context_fk, value_lk, input_precision=DOT)
    pull_lf = (pull_lf + weight_f[None, :]) * phi_lf
    sum_l += tl.sum(pull_lf, 1)
    key_lk = tl.dot(pull_lf.to(projection_fk.dtype), projection_fk, key_lk, input_precision=DOT)
    return key_lk, value_lk, sum_l


@triton.jit
def key_gradient(
    k, v, measured, projection, context, weight, context_rest, row_shift, highest, grad_k, grad_v,
    n_rows, heads, k_n, k_h, k_l, v_n, v_h, v_l, dk_n, dk_h, dk_l, dv_n, dv_h, dv_l, unscale, half,
    N_FEATURES: tl.constexpr, PADDED: tl.constexpr, FULL: tl.constexpr, TAIL: tl.constexpr,
    MASKED: tl.constexpr,
    BT: tl.constexpr, BL: tl.constexpr, WIDTH: tl.constexpr, BK: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """Gradients of keys and values from those of the context (`context`) and of the weights (`weight`)."""
    block, nh = tl.program_id(0), tl.program_id(1)
    n, h = nh // heads, nh % heads
    columns = tl.arange(0, BK)
    k += n.to(tl.int64) * k_n + h * k_h
    v += n.to(tl.int64) * v_n + h * v_h
    grad_k += n.to(tl.int64) * dk_n + h * dk_h
    grad_v += n.to(tl.int64) * dv_n + h * dv_h
    context += nh.to(tl.int64) * PADDED * BK
    weight += nh * PADDED
    by_row = nh.to(tl.int64) * n_rows
    rest_k = tl.load(context_rest + nh * BK + columns)
    peak = tl.load(highest + nh)
    rows = block * BL + tl.arange(0, BL)
    inside = tl.minimum(rows, n_rows - 1)
    k_lk = tile(k, k_l, inside, columns, WIDTH)
    v_lk = tile(v, v_l, inside, columns, WIDTH)
    if MASKED:
        seen_l = tl.load(measured + n.to(tl.int64) * n_rows + inside) != 0
        v_lk = tl.where(seen_l[:, None], v_lk, 0.0)
    shift_l = tl.load(row_shift + by_row + inside) + peak
    key_lk = tl.zeros([BL, BK], tl.float32)
    value_lk = tl.zeros([BL, BK], tl.float32)
    sum_l = tl.zeros([BL], tl.float32)
    for first in range(0, FULL, BT):
        key_lk, value_lk, sum_l = _key_gradient(
            k_lk, v_lk, projection, context, weight, first + tl.arange(0, BT), columns, shift_l,
            key_lk, value_lk, sum_l, DOT,
        )  # fmt: skip
    if N_FEATURES > FULL:
        key_lk, value_lk, sum_l = _key_gradient(
            k_lk, v_lk, projection, context, weight, FULL + tl.arange(0, TAIL), columns, shift_l,
            key_lk, value_lk, sum_l, DOT,
        )  # fmt: skip
    key_lk = key_lk * unscale - (2 * half * unscale) * sum_l[:, None] * k_lk.to(tl.float32)
    value_lk += rest_k[None, :]
    if MASKED:
        value_lk = tl.where(seen_l[:, None], value_lk, 0.0)
    store(grad_k, dk_l, rows, columns, key_lk, n_rows, WIDTH)
    store(grad_v, dv_l, rows, columns, value_lk, n_rows, WIDTH)
