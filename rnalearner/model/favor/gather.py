"""Triton kernels of FAVOR+: features from positions. They are made in registers and never stored.

Names as in rnalearner.model.favor.formula. Exponents are in base 2, and the projection is scaled so that
its products are such exponents. `DOT` is the precision of products of float32; bf16 operands are summed in
float32. nh counts samples and heads.
"""

import triton
import triton.language as tl

from rnalearner.model.favor.tiles import tile


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
        tiles = tiles + (tile(projection, BK, first + t * BT + tl.arange(0, BT), columns, BK),)
        accs = accs + (tl.zeros([BT, BK], tl.float32),)
        sums = sums + (tl.zeros([BT], tl.float32),)
        tops = tops + (tl.full([BT], float("-inf"), tl.float32),)
    rest_f = WHOLE + tl.arange(0, REST)
    last_f = rest_f == WHOLE + REST - 1
    rest_fk = tile(projection, BK, rest_f, columns, BK)
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
        x_lk = tile(x, x_l, rows, columns, WIDTH)
        y_lk = tile(y, y_l, rows, columns, WIDTH)
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
        for first in range(0, N_FEATURES, BT):
            feature_f = first + tl.arange(0, BT)
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
    for first in range(0, PADDED, BT):
        feature_f = first + tl.arange(0, BT)
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
    for first in range(0, PADDED, BT):
        feature_f = first + tl.arange(0, BT)
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
