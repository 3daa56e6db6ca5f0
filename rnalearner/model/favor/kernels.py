"""Triton kernels of FAVOR+: random features are made in registers, used there, and never stored.

Names as in rnalearner.model.favor.formula. Exponents are in base 2, and the projection is scaled so that
its products are such exponents. Its features are FULL ones, taken BT at a time, and a TAIL; every program
holds its tiles of them and walks over the positions of one part, BL at a time. nh counts samples and heads.
`DOT` is the precision of products of float32; bf16 operands are summed in float32.
"""

import triton
import triton.language as tl


@triton.jit
def _tile(base, stride, rows, columns, WIDTH: tl.constexpr):
    """Rows of a matrix whose rows are WIDTH long, with zeros up to the columns' number."""
    pointers = base + rows[:, None].to(tl.int64) * stride + columns[None, :]
    if columns.shape[0] == WIDTH:
        return tl.load(pointers)
    return tl.load(pointers, mask=(columns < WIDTH)[None, :], other=0.0)


@triton.jit
def _store(base, stride, rows, columns, value, end, WIDTH: tl.constexpr):
    pointers = base + rows[:, None].to(tl.int64) * stride + columns[None, :]
    tl.store(
        pointers, value.to(base.dtype.element_ty), mask=(rows < end)[:, None] & (columns < WIDTH)[None, :]
    )


@triton.jit
def _slots(x, DTYPE: tl.constexpr):
    """Numbers as a narrow matrix of 16 columns: x rounded, what that left over, zeros.

    A sum weighted by them is then made where matrices are multiplied, as exact as in float32: as numbers in
    registers they would leave room for fewer programs at a time.
    """
    column = tl.arange(0, 16)[None, :]
    high = x.to(DTYPE)
    low = (x - high.to(tl.float32)).to(DTYPE)
    return tl.where(column == 0, high[:, None], tl.where(column == 1, low[:, None], 0.0)).to(DTYPE)


@triton.jit
def _gather(
    projection_fk, x_kl, y_lk, shift_l, weight_l, ones_l, last_f, acc_fk, sum_f, top_f,
    LAST: tl.constexpr, KEYS: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """One block of positions, added to what a tile of features has gathered."""
    dash_fl = tl.dot(projection_fk, x_kl, input_precision=DOT)
    phi_fl = tl.exp2(dash_fl - shift_l[None, :])
    if LAST:
        phi_fl = tl.where(last_f[:, None], ones_l[None, :], phi_fl)
    if KEYS:
        top_f = tl.maximum(top_f, tl.max(dash_fl, 1))
        sum_f += tl.sum(phi_fl, 1)
    else:
        sum_f += tl.sum(phi_fl * weight_l[None, :], 1)
    acc_fk = tl.dot(phi_fl.to(y_lk.dtype), y_lk, acc_fk, input_precision=DOT)
    return acc_fk, sum_f, top_f


@triton.jit
def _keep(acc, total, top, feature_f, columns, acc_fk, sum_f, top_f, BK: tl.constexpr, KEYS: tl.constexpr):
    tl.store(acc + feature_f[:, None] * BK + columns[None, :], acc_fk)
    tl.store(total + feature_f, sum_f)
    if KEYS:
        tl.store(top + feature_f, top_f)


@triton.jit
def moments(
    x, y, projection, highest_shift, row_shift, share, weight, measured, acc, total, top,
    n_rows, part_rows, heads, x_n, x_h, x_l, y_n, y_h, y_l, half,
    WHOLE: tl.constexpr, REST: tl.constexpr, HELD: tl.constexpr, KEYS: tl.constexpr, MASKED: tl.constexpr,
    BT: tl.constexpr, BL: tl.constexpr, WIDTH: tl.constexpr, BK: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
    """Features from positions: for every feature f the sums over l of phi_lf y_l and of phi_lf weight_l.

    KEYS: x and y are keys and values, weights are 1, row shifts are made here and stored, maxima kept.
    Otherwise x and y are queries and the outputs' gradients, and phi is divided by the row's normaliser.
    The last feature of all is 1 (divided alike) at every position: what eps gathers. A program holds HELD
    of the WHOLE features' tiles and the REST (which the first group stores), and walks over one part's rows.
    """
    part, group, nh = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    n, h = nh // heads, nh % heads
    x += n.to(tl.int64) * x_n + h * x_h
    y += n.to(tl.int64) * y_n + h * y_h
    by_row = nh.to(tl.int64) * n_rows
    columns = tl.arange(0, BK)
    first = group * HELD * BT
    tiles, accs, sums, tops = (), (), (), ()
    for t in tl.static_range(HELD):
        tiles = tiles + (_tile(projection, BK, first + t * BT + tl.arange(0, BT), columns, BK),)
        accs = accs + (tl.zeros([BT, BK], tl.float32),)
        sums = sums + (tl.zeros([BT], tl.float32),)
        tops = tops + (tl.full([BT], float("-inf"), tl.float32),)
    rest_f = WHOLE + tl.arange(0, REST)
    last_f = rest_f == WHOLE + REST - 1
    rest_fk = _tile(projection, BK, rest_f, columns, BK)
    rest_acc_fk = tl.zeros([REST, BK], tl.float32)
    rest_sum_f = tl.zeros([REST], tl.float32)
    rest_top_f = tl.full([REST], float("-inf"), tl.float32)
    if KEYS:
        lowered = tl.load(highest_shift)
    begin = part * part_rows
    end = tl.minimum(begin + part_rows, n_rows)
    for start in range(begin, end, BL):
        rows = start + tl.arange(0, BL)
        valid_l = rows < end
        # Beyond the end: the last row again, which moves no maximum, with features of 0.
        rows = tl.minimum(rows, end - 1)
        x_lk = _tile(x, x_l, rows, columns, WIDTH)
        y_lk = _tile(y, y_l, rows, columns, WIDTH)
        if MASKED:
            y_lk = tl.where((tl.load(measured + n.to(tl.int64) * n_rows + rows) != 0)[:, None], y_lk, 0.0)
        if KEYS:
            x32_lk = x_lk.to(tl.float32)
            shift_l = tl.sum(x32_lk * x32_lk, 1) * half
            if group == 0:
                tl.store(row_shift + by_row + rows, shift_l, mask=valid_l)
            shift_l += lowered
            ones_l = tl.where(valid_l, 1.0, 0.0)
            weight_l = ones_l
        else:
            shift_l = tl.load(row_shift + by_row + rows)
            ones_l = tl.where(valid_l, tl.load(share + by_row + rows), 0.0)
            weight_l = tl.load(weight + by_row + rows)
        shift_l = tl.where(valid_l, shift_l, float("inf"))
        x_kl = tl.trans(x_lk)
        new_accs, new_sums, new_tops = (), (), ()
        for t in tl.static_range(HELD):
            acc_fk, sum_f, top_f = _gather(
                tiles[t], x_kl, y_lk, shift_l, weight_l, ones_l, last_f, accs[t], sums[t], tops[t],
                False, KEYS, DOT,
            )  # fmt: skip
            new_accs, new_sums, new_tops = new_accs + (acc_fk,), new_sums + (sum_f,), new_tops + (top_f,)
        accs, sums, tops = new_accs, new_sums, new_tops
        rest_acc_fk, rest_sum_f, rest_top_f = _gather(
            rest_fk, x_kl, y_lk, shift_l, weight_l, ones_l, last_f, rest_acc_fk, rest_sum_f, rest_top_f,
            True, KEYS, DOT,
        )  # fmt: skip
    to = (nh.to(tl.int64) * tl.num_programs(0) + part) * (WHOLE + REST)
    for t in tl.static_range(HELD):
        feature_f = to + first + t * BT + tl.arange(0, BT)
        _keep(acc, total, top, feature_f, columns, accs[t], sums[t], tops[t], BK, KEYS)
    if group == 0:
        _keep(acc, total, top, to + rest_f, columns, rest_acc_fk, rest_sum_f, rest_top_f, BK, KEYS)


@triton.jit
def _summed(acc, total, part, n_parts, feature_f, columns, PADDED: tl.constexpr, BK: tl.constexpr):
    """What the parts gathered for these features, f x k and f."""
    acc_fk = tl.zeros([feature_f.shape[0], BK], tl.float32)
    sum_f = tl.zeros([feature_f.shape[0]], tl.float32)
    for p in range(n_parts):
        rows = part + p * PADDED + feature_f
        acc_fk += tl.load(acc + rows[:, None] * BK + columns[None, :])
        sum_f += tl.load(total + rows)
    return acc_fk, sum_f


@triton.jit
def finish_keys(
    acc, total, top, highest_shift, context, weight, slots, mean, context_rest, weight_rest, highest,
    n_rows, n_parts, eps,
    N_FEATURES: tl.constexpr, PADDED: tl.constexpr, BT: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """From the parts' sums: the context, centred by the mean value, and the features' weights."""
    nh = tl.program_id(0)
    columns = tl.arange(0, BK)
    part = nh.to(tl.int64) * n_parts * PADDED
    peak = float("-inf")
    mean_k = tl.zeros([BK], tl.float32)
    for p in range(n_parts):
        for tile in range(0, N_FEATURES, BT):
            feature_f = tile + tl.arange(0, BT)
            top_f = tl.load(
                top + part + p * PADDED + feature_f, mask=feature_f < N_FEATURES, other=float("-inf")
            )
            peak = tl.maximum(peak, tl.max(top_f, 0))
        mean_k += tl.load(acc + (part + p * PADDED + PADDED - 1) * BK + columns)
    eps_k = eps * mean_k
    mean_k /= n_rows
    factor = tl.exp2(tl.load(highest_shift) - peak)
    rest_k = tl.zeros([BK], tl.float32)
    rest = 0.0
    for tile in range(0, PADDED, BT):
        feature_f = tile + tl.arange(0, BT)
        acc_fk, sum_f = _summed(acc, total, part, n_parts, feature_f, columns, PADDED, BK)
        real_f = feature_f < N_FEATURES
        weight_f = tl.where(real_f, sum_f * factor + eps * n_rows, 0.0)
        context_fk = acc_fk * factor + eps_k[None, :] - weight_f[:, None] * mean_k[None, :]
        context_fk = tl.where(real_f[:, None], context_fk, 0.0)
        rows = nh.to(tl.int64) * PADDED + feature_f
        pointers = context + rows[:, None] * BK + columns[None, :]
        tl.store(pointers, context_fk.to(context.dtype.element_ty))
        tl.store(weight + rows, weight_f)
        pointers = slots + rows[:, None] * 16 + tl.arange(0, 16)[None, :]
        tl.store(pointers, _slots(weight_f, slots.dtype.element_ty))
        rest_k += tl.sum(context_fk, 0)
        rest += tl.sum(weight_f, 0)
    tl.store(mean + nh * BK + columns, mean_k)
    tl.store(context_rest + nh * BK + columns, eps * rest_k)
    tl.store(weight_rest + nh, eps * rest)
    tl.store(highest + nh, peak)


@triton.jit
def finish_queries(
    acc, total, mean, context, weight, context_rest, n_parts, eps,
    N_FEATURES: tl.constexpr, PADDED: tl.constexpr, BT: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """From the parts' sums: the gradients of the context and of the weights, for values as they are."""
    nh = tl.program_id(0)
    columns = tl.arange(0, BK)
    part = nh.to(tl.int64) * n_parts * PADDED
    eps_k = tl.zeros([BK], tl.float32)
    eps_1 = 0.0
    for p in range(n_parts):
        eps_k += tl.load(acc + (part + p * PADDED + PADDED - 1) * BK + columns)
        eps_1 += tl.load(total + part + p * PADDED + PADDED - 1)
    mean_k = tl.load(mean + nh * BK + columns)
    rest_k = tl.zeros([BK], tl.float32)
    for tile in range(0, PADDED, BT):
        feature_f = tile + tl.arange(0, BT)
        acc_fk, sum_f = _summed(acc, total, part, n_parts, feature_f, columns, PADDED, BK)
        real_f = feature_f < N_FEATURES
        context_fk = tl.where(real_f[:, None], acc_fk + eps * eps_k[None, :], 0.0)
        rest_k += tl.sum(context_fk, 0)
        kept_fk = context_fk.to(context.dtype.element_ty)
        weight_f = sum_f + eps * eps_1 - tl.sum(kept_fk.to(tl.float32) * mean_k[None, :], 1)
        rows = nh.to(tl.int64) * PADDED + feature_f
        tl.store(context + rows[:, None] * BK + columns[None, :], kept_fk)
        tl.store(weight + rows, tl.where(real_f, weight_f, 0.0))
    tl.store(context_rest + nh * BK + columns, eps * rest_k)


@triton.jit
def _attend(
    q_lk, projection_fk, context_fk, weight_f, feature_f, shift_l, acc_lk, norm_l, top_l,
    N_FEATURES: tl.constexpr, LAST: tl.constexpr, DOT: tl.constexpr,
):  # fmt: skip
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
    slots = tl.arange(0, 16)
    mean_k = tl.load(mean + nh * BK + columns)
    rest_k = tl.load(context_rest + nh * BK + columns)
    weight_eps = tl.load(weight_rest + nh)
    bound = tl.load(longest)
    rows = block * BL + tl.arange(0, BL)
    q_lk = _tile(q, q_l, tl.minimum(rows, n_rows - 1), columns, WIDTH)
    q32_lk = q_lk.to(tl.float32)
    square_l = tl.sum(q32_lk * q32_lk, 1)
    # No exponent is above this (Cauchy, Schwarz), so the maximum need not be known beforehand.
    bound_l = tl.sqrt(square_l) * bound
    shift_l = square_l * half + bound_l
    acc_lk = tl.zeros([BL, BK], tl.float32)
    norms_l = tl.zeros([BL, 16], tl.float32)
    top_l = tl.full([BL], float("-inf"), tl.float32)
    for first in range(0, FULL, BT):
        feature_f = first + tl.arange(0, BT)
        acc_lk, norms_l, top_l = _attend(
            q_lk, _tile(projection, BK, feature_f, columns, BK), _tile(context, BK, feature_f, columns, BK),
            _tile(weights, 16, feature_f, slots, 16), feature_f, shift_l, acc_lk, norms_l, top_l,
            N_FEATURES, False, DOT,
        )  # fmt: skip
    if N_FEATURES > FULL:
        feature_f = FULL + tl.arange(0, TAIL)
        acc_lk, norms_l, top_l = _attend(
            q_lk, _tile(projection, BK, feature_f, columns, BK), _tile(context, BK, feature_f, columns, BK),
            _tile(weights, 16, feature_f, slots, 16), feature_f, shift_l, acc_lk, norms_l, top_l,
            N_FEATURES, True, DOT,
        )  # fmt: skip
    # Where the bound is so far off that features vanish, they are far below eps (formula.py).
    factor_l = tl.exp2(tl.minimum(bound_l - top_l, 100.0))
    norm_l = tl.sum(tl.where(tl.arange(0, 16)[None, :] < 2, norms_l, 0.0), 1) * factor_l + weight_eps
    out_lk = (acc_lk * factor_l[:, None] + rest_k[None, :]) / norm_l[:, None] + mean_k[None, :]
    tl.store(row_shift + by_row + rows, square_l * half + top_l + tl.log2(norm_l), mask=rows < n_rows)
    tl.store(share + by_row + rows, 1 / norm_l, mask=rows < n_rows)
    _store(out, out_l, rows, columns, out_lk, n_rows, WIDTH)


@triton.jit
def _query_gradient(
    q_lk, grad_lk, projection_fk, context_fk, weight_f, shift_l, change_l, acc_lk, sum_l,
    DOT: tl.constexpr,
):  # fmt: skip
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
    q_lk = _tile(q, q_l, inside, columns, WIDTH)
    grad_lk = _tile(grad, g_l, inside, columns, WIDTH)
    out_lk = _tile(out, out_l, inside, columns, WIDTH)
    change_l = -tl.sum(grad_lk.to(tl.float32) * (out_lk.to(tl.float32) - mean_k[None, :]), 1)
    tl.store(change + by_row + rows, change_l, mask=rows < n_rows)
    shift_l = tl.load(row_shift + by_row + inside)
    acc_lk = tl.zeros([BL, BK], tl.float32)
    sum_l = tl.zeros([BL], tl.float32)
    for first in range(0, FULL, BT):
        feature_f = first + tl.arange(0, BT)
        acc_lk, sum_l = _query_gradient(
            q_lk, grad_lk, _tile(projection, BK, feature_f, columns, BK),
            _tile(context, BK, feature_f, columns, BK), tl.load(weight + feature_f), shift_l, change_l,
            acc_lk, sum_l, DOT,
        )  # fmt: skip
    if N_FEATURES > FULL:
        feature_f = FULL + tl.arange(0, TAIL)
        acc_lk, sum_l = _query_gradient(
            q_lk,
            grad_lk,
            _tile(projection, BK, feature_f, columns, BK),
            _tile(context, BK, feature_f, columns, BK),
            tl.load(weight + feature_f),
            shift_l,
            change_l,
            acc_lk,
            sum_l,
            DOT,
        )
    grad_q_lk = acc_lk * unscale - (2 * half * unscale) * sum_l[:, None] * q_lk.to(tl.float32)
    _store(grad_q, d_l, rows, columns, grad_q_lk, n_rows, WIDTH)


@triton.jit
def _key_gradient(
    k_lk, v_lk, projection_fk, context_fk, weight_f, shift_l, key_lk, value_lk, sum_l,
    DOT: tl.constexpr,
):  # fmt: skip
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
    k_lk = _tile(k, k_l, inside, columns, WIDTH)
    v_lk = _tile(v, v_l, inside, columns, WIDTH)
    if MASKED:
        seen_l = tl.load(measured + n.to(tl.int64) * n_rows + inside) != 0
        v_lk = tl.where(seen_l[:, None], v_lk, 0.0)
    shift_l = tl.load(row_shift + by_row + inside) + peak
    key_lk = tl.zeros([BL, BK], tl.float32)
    value_lk = tl.zeros([BL, BK], tl.float32)
    sum_l = tl.zeros([BL], tl.float32)
    for first in range(0, FULL, BT):
        feature_f = first + tl.arange(0, BT)
        key_lk, value_lk, sum_l = _key_gradient(
            k_lk, v_lk, _tile(projection, BK, feature_f, columns, BK),
            _tile(context, BK, feature_f, columns, BK), tl.load(weight + feature_f), shift_l,
            key_lk, value_lk, sum_l, DOT,
        )  # fmt: skip
    if N_FEATURES > FULL:
        feature_f = FULL + tl.arange(0, TAIL)
        key_lk, value_lk, sum_l = _key_gradient(
            k_lk,
            v_lk,
            _tile(projection, BK, feature_f, columns, BK),
            _tile(context, BK, feature_f, columns, BK),
            tl.load(weight + feature_f),
            shift_l,
            key_lk,
            value_lk,
            sum_l,
            DOT,
        )
    key_lk = key_lk * unscale - (2 * half * unscale) * sum_l[:, None] * k_lk.to(tl.float32)
    value_lk += rest_k[None, :]
    if MASKED:
        value_lk = tl.where(seen_l[:, None], value_lk, 0.0)
    _store(grad_k, dk_l, rows, columns, key_lk, n_rows, WIDTH)
    _store(grad_v, dv_l, rows, columns, value_lk, n_rows, WIDTH)
