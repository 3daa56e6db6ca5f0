"""Blocks by our kernels against performer-pytorch's in float64, forward and backward.

Without a GPU under Triton's interpreter, in float32 and in a process of its own (this file as a script):
Triton reads TRITON_INTERPRET when it is imported.
"""

import json
import os
import subprocess
import sys

import pytest
import torch
from performer_pytorch import Performer
from torch import Tensor


def errors(
    dim: int, heads: int, dim_head: int, features: int, n: int, length: int, device: str
) -> list[float]:
    """How far output, gradient of the input and gradients of all parameters are off, beside their norms."""
    from rnalearner.model.fused.blocks import through_blocks
    from rnalearner.model.fused.weights import parameters_of

    torch.manual_seed(0)
    performer = Performer(
        dim=dim, depth=2, heads=heads, dim_head=dim_head, nb_features=features, auto_check_redraw=False
    ).to(device)
    blocks = list(performer.net.layers)
    measured_nl = (torch.rand(n, length) > 0.3).to(device)
    x_nld, grad_nld = torch.randn(n, length, dim, device=device), torch.randn(n, length, dim, device=device)

    def results(through, x_nld: Tensor) -> list[Tensor]:
        x_nld = x_nld.clone().requires_grad_()
        performer.zero_grad()
        out_nld = through(x_nld)
        out_nld.backward(grad_nld.to(out_nld.dtype))
        gradients = [p.grad.double() for block in blocks for p in parameters_of(block)]
        return [out_nld.detach().double(), x_nld.grad.double(), *gradients]

    def theirs(x_nld: Tensor) -> Tensor:
        for attention, feedforward in blocks:
            x_nld = x_nld + attention.fn(attention.norm(x_nld), mask=measured_nl)
            x_nld = x_nld + feedforward(x_nld)
        return x_nld

    found = results(lambda x: through_blocks(x, measured_nl, blocks), x_nld)
    performer.double()
    expected = results(theirs, x_nld.double())
    return [((a - b).norm() / b.norm()).item() for a, b in zip(found, expected, strict=True)]


@pytest.fixture(scope="module")
def interpreted() -> list[float]:
    pytest.importorskip("triton", reason="Triton is not installed")
    said = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"TRITON_INTERPRET": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr[-3000:]
    found: list[float] = json.loads(said.stdout.splitlines()[-1])
    return found


def test_blocks_and_all_their_gradients_equal_performer_pytorchs(interpreted):
    assert len(interpreted) == 2 + 2 * 16
    assert max(interpreted) < 1e-4  # GELU is within 1.3e-5


def test_the_output_and_the_inputs_gradient_are_right_to_float32(interpreted):
    assert max(interpreted[:2]) < 1e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("n", [1, 11])  # less than a chunk of samples, and one and a part
def test_in_bf16_they_are_within_bf16s_rounding(n):
    found = errors(200, 10, 64, 266, n, 1001, "cuda")
    assert max(found[:2]) < 1e-2
    assert max(found) < 2e-2


if __name__ == "__main__":
    from rnalearner.model.fused import blocks

    blocks.CHUNK = 2  # three samples: a chunk, and a part of one
    print(json.dumps(errors(20, 2, 8, 12, 3, 37, "cpu")))  # noqa: T201
