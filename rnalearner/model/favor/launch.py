"""The kernels in their order, forward and backward, on tensors of any strides whose last one is 1."""

from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from rnalearner.model.favor import gather, scatter
from rnalearner.model.favor.formula import EPS, LOG2_E, TILE, Projection


@dataclass(frozen=True)
class Block:
    """How a kernel is cut: positions a block, warps of a program, stages of its pipeline."""

    positions: int
    warps: int
    stages: int

    @property
    def options(self) -> dict[str, int]:
        return {"BL": self.positions, "num_warps": self.warps, "num_stages": self.stages}


@dataclass(frozen=True)
class Tuning:
    """What was fastest on an H100 (docs/log.md)."""

    gather: Block = Block(32, 4, 3)
    tile: int = 64
    """Features a tile while gathering."""
    held: int = 4
    """Such tiles that a program holds at most."""
    attend: Block = Block(64, 4, 3)
    query: Block = Block(64, 4, 3)
    key: Block = Block(64, 4, 3)


TUNING = Tuning()


@dataclass(frozen=True)
class Saved:
    """What the backward pass takes up again; row tensors are nh x l, others small. Base-2 exponents."""

    key_shift: Tensor
    highest: Tensor
    context: Tensor
    weight: Tensor
    mean: Tensor
    query_shift: Tensor
    share: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(vars(self).values())

    def part(self, nh: slice) -> "Saved":
        """Of some samples' heads alone."""
        return Saved(*(tensor[nh] for tensor in self.tensors()))


def strides(x_nhlk: Tensor) -> tuple[int, int, int]:
    if x_nhlk.stride(3) != 1:
        raise ValueError("the last stride must be 1")
    n, h, rows, _ = x_nhlk.stride()
    return n, h, rows


class _Call:
    """Sizes that all kernels of one call share."""

    def __init__(self, q_nhlk: Tensor, projection: Projection) -> None:
        self.n, self.heads, self.rows, self.width = q_nhlk.shape
        self.nh = self.n * self.heads
        self.device, self.dtype = q_nhlk.device, q_nhlk.dtype
        self.padded, self.columns = projection.padded_fk.shape
        # |c x|^2 / 2 from |x|^2, in base 2; and what takes a gradient out of the projection's scale.
        self.half, self.unscale = self.width**-0.5 * LOG2_E / 2, 1 / LOG2_E
        full = (projection.n_features - 1) // TILE * TILE
        tail = max(16, triton.next_power_of_2(projection.n_features - full))
        dot = "ieee" if self.dtype == torch.float32 else "tf32"
        features = {"N_FEATURES": projection.n_features}
        tiles = {"PADDED": self.padded, "BT": TILE, "BK": self.columns}
        self.gathered = {"WIDTH": self.width, "BK": self.columns, "DOT": dot}
        self.scattered = self.gathered | tiles | features | {"FULL": full, "TAIL": tail}
        self.finished = tiles | features | {"num_warps": 8}

    def by_row(self) -> Tensor:
        return torch.empty(self.nh, self.rows, dtype=torch.float32, device=self.device)

    def small(self, *shape: int) -> Tensor:
        return torch.empty(self.nh, *shape, dtype=torch.float32, device=self.device)

    def context(self) -> Tensor:
        return torch.empty(self.nh, self.padded, self.columns, dtype=self.dtype, device=self.device)

    def blocks(self, block: Block) -> tuple[int, int]:
        """The grid of a kernel that takes one block of positions a program."""
        return triton.cdiv(self.rows, block.positions), self.nh

    def parts(self, block: Block) -> tuple[int, int]:
        """Into how many parts positions are cut for gathering, and positions a part.

        As many as let all parts end at about the same time, given that a multiprocessor holds two programs;
        a part has to be worth the sums that it leaves behind.
        """
        held = 1
        if self.device.type == "cuda":
            held = 2 * torch.cuda.get_device_properties(self.device).multi_processor_count
        blocks = triton.cdiv(self.rows, block.positions)
        parts = min(range(1, min(12, blocks) + 1), key=lambda p: -(-self.nh * p // held) / p + 0.01 * p)
        rows = triton.cdiv(blocks, parts) * block.positions
        return triton.cdiv(self.rows, rows), rows


def _gather(
    call: _Call, x: Tensor, y: Tensor, projection: Projection, row_shift: Tensor, share: Tensor,
    weight: Tensor, measured: Tensor | None, keys: bool, tuning: Tuning,
) -> tuple[Tensor, Tensor, Tensor, int]:  # fmt: skip
    parts, part_rows = call.parts(tuning.gather)
    tiles = (call.padded - 1) // tuning.tile
    held = (
        max((count for count in range(1, tuning.held + 1) if tiles % count == 0), default=0) if tiles else 0
    )
    whole = tiles * tuning.tile
    groups = tiles // held if tiles else 1
    acc = call.small(parts, call.padded, call.columns)
    total, top = call.small(parts, call.padded), call.small(parts, call.padded)
    gather.moments[(parts, groups, call.nh)](
        x, y, projection.padded_fk, projection.shift, row_shift, share, weight,
        row_shift if measured is None else measured, acc, total, top,
        call.rows, part_rows, call.heads, *strides(x), *strides(y), call.half,
        WHOLE=whole, REST=call.padded - whole, HELD=held, KEYS=keys, MASKED=measured is not None,
        **call.gathered | {"BT": tuning.tile}, **tuning.gather.options,
    )  # fmt: skip
    return acc, total, top, parts


def forward(
    q: Tensor, k: Tensor, v: Tensor, measured: Tensor | None, projection: Projection, out: Tensor,
    tuning: Tuning = TUNING,
) -> Saved:  # fmt: skip
    """Writes `out`, n h l k; `measured`: n x l bytes, 0 where a value is to count as 0."""
    call = _Call(q, projection)
    key_shift, query_shift, share = call.by_row(), call.by_row(), call.by_row()
    acc, total, top, parts = _gather(
        call, k, v, projection, key_shift, key_shift, key_shift, measured, True, tuning
    )
    context, weight = call.context(), call.small(call.padded)
    slots = torch.empty(call.nh, call.padded, 16, dtype=call.dtype, device=call.device)
    mean, rest = call.small(call.columns), call.small(call.columns)
    weight_rest, highest = call.small(), call.small()
    gather.finish_keys[(call.nh,)](
        acc, total, top, projection.shift, context, weight, slots, mean, rest, weight_rest, highest,
        call.rows, parts, EPS, **call.finished,
    )  # fmt: skip
    scatter.attend[call.blocks(tuning.attend)](
        q, projection.padded_fk, projection.longest, context, slots, mean, rest, weight_rest, out,
        query_shift, share, call.rows, call.heads, *strides(q), *strides(out), call.half,
        **call.scattered, **tuning.attend.options,
    )  # fmt: skip
    return Saved(key_shift, highest, context, weight, mean, query_shift, share)


def backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, measured: Tensor | None, projection: Projection,
    out: Tensor,
    saved: Saved, grad_q: Tensor, grad_k: Tensor, grad_v: Tensor, tuning: Tuning = TUNING,
) -> None:  # fmt: skip
    """Writes the three gradients, given that of `out`."""
    call = _Call(q, projection)
    change = call.by_row()
    scatter.query_gradient[call.blocks(tuning.query)](
        q, grad, out, projection.padded_fk, saved.context, saved.weight, saved.mean, saved.query_shift,
        change, grad_q, call.rows, call.heads, *strides(q), *strides(grad),
        *strides(out), *strides(grad_q), call.unscale, call.half, **call.scattered, **tuning.query.options,
    )  # fmt: skip
    acc, total, _, parts = _gather(
        call, q, grad, projection, saved.query_shift, saved.share, change, None, False, tuning
    )
    context, weight, rest = call.context(), call.small(call.padded), call.small(call.columns)
    gather.finish_queries[(call.nh,)](
        acc, total, saved.mean, context, weight, rest, parts, EPS, **call.finished
    )
    scatter.key_gradient[call.blocks(tuning.key)](
        k, v, k if measured is None else measured, projection.padded_fk, context, weight, rest,
        saved.key_shift, saved.highest, grad_k, grad_v, call.rows, call.heads, *strides(k),
        *strides(v), *strides(grad_k), *strides(grad_v), call.unscale, call.half, MASKED=measured is not None,
        **call.scattered, **tuning.key.options,
    )  # fmt: skip
