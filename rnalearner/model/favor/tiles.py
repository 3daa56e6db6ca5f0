"""Pieces of matrices as Triton kernels load and store them."""

import triton
import triton.language as tl


@triton.jit
def tile(base, stride, rows, columns, WIDTH: tl.constexpr):
    """Rows of a matrix whose rows are WIDTH long, with zeros up to the columns' number."""
    pointers = base + rows[:, None].to(tl.int64) * stride + columns[None, :]
    if columns.shape[0] == WIDTH:
        return tl.load(pointers)
    return tl.load(pointers, mask=(columns < WIDTH)[None, :], other=0.0)


@triton.jit
def store(base, stride, rows, columns, value, end, WIDTH: tl.constexpr):
    pointers = base + rows[:, None].to(tl.int64) * stride + columns[None, :]
    tl.store(
        pointers, value.to(base.dtype.element_ty), mask=(rows < end)[:, None] & (columns < WIDTH)[None, :]
    )
