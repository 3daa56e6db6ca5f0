"""Attention in blocks is performer-pytorch's attention. Shapes: n samples, h heads, l positions, k width."""

from itertools import pairwise

import pytest
import torch
from performer_pytorch import FastAttention
from torch import Tensor

from rnalearner.model.favor import plain
from rnalearner.model.favor.plain import PlainAttention, plain_attention

SHAPES = [(2, 3, 29, 8, 30), (1, 1, 1, 4, 1), (3, 2, 50, 5, 7), (1, 4, 17, 64, 266), (5, 1, 8, 16, 33)]
"""n, h, l, k and f random features."""


def drawn(shape: tuple[int, ...], spread: float = 1.0, dtype: torch.dtype = torch.float64):
    """Queries, keys (that wide), values and a gradient, heads side by side as linear maps leave them."""
    n, h, l, k, _ = shape  # noqa: E741
    generator = torch.Generator().manual_seed(sum(shape))
    four = [torch.randn(n, l, h, k, dtype=dtype, generator=generator).transpose(1, 2) for _ in range(4)]
    return four[0] * spread, four[1] * spread, four[2], four[3]


def seen(shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape[0], shape[2], generator=torch.Generator().manual_seed(3)) > 0.3


def results(attention, qkv: tuple[Tensor, ...], grad: Tensor) -> list[Tensor]:
    """The output and the gradients of queries, keys and values."""
    leaves = [x.detach().clone().requires_grad_() for x in qkv]
    out = attention(*leaves)
    out.backward(grad)
    return [out.detach(), *(leaf.grad for leaf in leaves)]


def performers(shape: tuple[int, ...], measured_nl: Tensor | None, spread: float = 1.0):
    """A projection, and what performer-pytorch makes of it with values masked."""
    torch.manual_seed(0)
    theirs = FastAttention(shape[3], shape[4]).double()
    *qkv, grad = drawn(shape, spread)

    def masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return theirs(q, k, v if measured_nl is None else v.masked_fill(~measured_nl[:, None, :, None], 0))

    return theirs.projection_matrix, results(masked, tuple(qkv), grad)


def ours(shape: tuple[int, ...], measured_nl: Tensor | None, projection_fk: Tensor, spread: float = 1.0):
    *qkv, grad = drawn(shape, spread)
    return results(lambda *x: plain_attention(*x, measured_nl, projection_fk), tuple(qkv), grad)


def assert_same(found: list[Tensor], expected: list[Tensor], tolerance: float = 1e-12) -> None:
    """Beside the output's norm; and gradients' beside the largest one's, for those of queries can vanish."""
    assert (found[0] - expected[0]).norm() <= tolerance * expected[0].norm()
    largest = max(gradient.norm() for gradient in expected[1:])
    for one, other in zip(found[1:], expected[1:], strict=True):
        assert (one - other).norm() <= tolerance * largest


@pytest.mark.parametrize("masked", [False, True], ids=["all measured", "some unmeasured"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_performer_pytorchs(shape: tuple[int, ...], masked: bool):
    measured_nl = seen(shape) if masked else None
    projection_fk, expected = performers(shape, measured_nl)
    assert_same(ours(shape, measured_nl, projection_fk), expected)


@pytest.mark.parametrize("spread", [0.01, 6.0])
def test_queries_and_keys_may_be_tiny_or_huge(spread: float):
    shape = (2, 3, 29, 64, 70)
    projection_fk, expected = performers(shape, seen(shape), spread)
    assert_same(ours(shape, seen(shape), projection_fk, spread), expected)


@pytest.mark.parametrize("block", [1, 3 * 30 * 10, 3 * 30 * 29 - 1, 3 * 30 * 29 * 2])
def test_where_blocks_end_makes_no_difference(block: int, monkeypatch: pytest.MonkeyPatch):
    shape = (5, 3, 29, 8, 30)  # a position a block; blocks of 10, 10 and 9; of 28 and 1; two samples together
    monkeypatch.setattr(plain, "BLOCK", block)
    projection_fk, expected = performers(shape, seen(shape))
    assert_same(ours(shape, seen(shape), projection_fk), expected)


def test_the_highest_key_may_come_in_any_block(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plain, "BLOCK", 4 * 20)
    torch.manual_seed(0)
    theirs = FastAttention(8, 20).double()
    q, k, v, _ = drawn((1, 1, 16, 8, 20))
    for position in (0, 7, 15):
        higher = k.clone()
        higher[:, :, position] *= 4
        found = plain_attention(q, higher, v, None, theirs.projection_matrix)
        torch.testing.assert_close(found, theirs(q, higher, v))


def test_float32_is_right_to_a_hundred_thousandth():
    shape = (2, 2, 1001, 64, 266)
    q, k, v, _ = drawn(shape)
    torch.manual_seed(0)
    theirs = FastAttention(64, 266).double()
    found = plain_attention(q.float(), k.float(), v.float(), None, theirs.projection_matrix.float())
    assert found.dtype == torch.float32
    assert (found - theirs(q, k, v)).abs().max() < 1e-5


def test_half_precision_is_computed_in_float32_under_autocast_too():
    q, k, v, grad = (x.bfloat16() for x in drawn((2, 2, 40, 8, 20)))
    projection_fk = FastAttention(8, 20).projection_matrix
    wide = results(
        lambda *x: plain_attention(*x, None, projection_fk), (q.float(), k.float(), v.float()), grad.float()
    )
    with torch.autocast("cpu", torch.bfloat16):
        half = results(lambda *x: plain_attention(*x, None, projection_fk), (q, k, v), grad)
    for found, expected in zip(half, wide, strict=True):
        assert torch.equal(found, expected.bfloat16())


def test_strides_make_no_difference_and_heads_come_out_side_by_side():
    *qkv, grad = drawn((2, 3, 29, 8, 30))
    projection_fk = FastAttention(8, 30).projection_matrix
    wide = torch.zeros(2, 3, 29, 24, dtype=torch.float64)
    for part, x in zip(wide.split(8, dim=3), qkv, strict=True):
        part.copy_(x)

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return plain_attention(q, k, v, None, projection_fk)

    expected = results(attention, tuple(qkv), grad)
    wide.requires_grad_()
    out = attention(*wide.split(8, dim=3))
    out.backward(grad.contiguous())
    torch.testing.assert_close(out, expected[0])
    torch.testing.assert_close(wide.grad, torch.cat(expected[1:], dim=3))
    assert out.transpose(1, 2).is_contiguous()


def kept(shape: tuple[int, ...], train: bool) -> list[int]:
    """Numbers in each tensor that one pass saves."""
    q, k, v, _ = (x.requires_grad_(train) for x in drawn(shape))
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        plain_attention(q, k, v, None, FastAttention(shape[3], shape[4]).projection_matrix)
    return sizes


def test_features_are_never_kept():
    assert 0 < max(kept((1, 2, 300, 4, 50), train=True)) < 300 * 50


def test_nothing_is_kept_where_nothing_trains():
    assert kept((1, 2, 300, 4, 50), train=False) == []


def test_a_position_costs_what_a_position_keeps():
    totals = [sum(kept((1, 2, length, 4, 50), train=True)) for length in (100, 200, 300)]
    first, second = (longer - shorter for shorter, longer in pairwise(totals))
    # q, k, v and out: 4 x 2 heads x 4; a shift and a normaliser a head; measured or not.
    assert first == second == 100 * (4 * 2 * 4 + 2 * 2 + 1)


def test_it_is_differentiated_once():
    q, k, v, _ = (x.requires_grad_() for x in drawn((1, 1, 5, 4, 6)))
    out = PlainAttention.apply(q, k, v, None, FastAttention(4, 6).projection_matrix)
    (gradient,) = torch.autograd.grad(out.square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
