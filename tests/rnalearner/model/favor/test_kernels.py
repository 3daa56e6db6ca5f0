"""The Triton kernels against performer-pytorch in float64: under Triton's interpreter, and on a GPU.

Triton reads TRITON_INTERPRET when it is imported, so that the interpreted cases run in a process of their
own: this file as a script. It computes in float32; numpy knows no bf16. Shapes: n samples, h heads, l
positions, k head width, f random features.
"""

import json
import os
import subprocess
import sys

import pytest
import torch
from performer_pytorch import FastAttention
from torch import Tensor

NAMES = ("out", "queries", "keys", "values")
CASES = {
    "three tiles of features and a rest": ((1, 2, 50, 64, 200), False, 1.0),
    "the recipe's heads, a gene alone in its block": ((1, 1, 65, 64, 266), True, 1.0),
    "whole tiles of features": ((1, 1, 40, 16, 128), True, 1.0),
    "less than a tile, unmeasured genes": ((2, 2, 37, 8, 12), True, 1.0),
    "a width that is no power of 2": ((1, 1, 70, 24, 64), True, 1.0),
    "more features than a program holds": ((1, 1, 40, 16, 400), False, 1.0),
    "huge queries and keys": ((1, 1, 33, 16, 320), False, 6.0),
    "tiny queries and keys": ((1, 1, 33, 64, 63), False, 0.01),
    "positions in three parts": ((1, 2, 90, 16, 70), True, 1.0),
}
"""n h l k f; whether genes are unmeasured; what queries and keys are multiplied by."""


def errors(
    shape: tuple[int, ...], masked: bool, spread: float, device: str, dtype: torch.dtype
) -> dict[str, float]:
    """How far the kernels are off: the output beside its norm, each gradient beside the largest one's."""
    from rnalearner.model.favor.fused import fused_attention

    torch.manual_seed(0)
    n, h, l, k, f = shape  # noqa: E741
    four = [torch.randn(n, l, h, k).transpose(1, 2) * (spread if i < 2 else 1) for i in range(4)]
    q, k_, v, grad = (x.to(device, dtype) for x in four)
    measured_nl = (torch.rand(n, l) > 0.3).to(device) if masked else None
    theirs = FastAttention(k, f).double().to(device)

    def results(attention, dtype: torch.dtype) -> list[Tensor]:
        leaves = [x.to(dtype).requires_grad_() for x in (q, k_, v)]
        out = attention(*leaves)
        out.backward(grad.to(dtype))
        return [out.detach().double(), *(leaf.grad.double() for leaf in leaves)]

    def masking(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return theirs(q, k, v if measured_nl is None else v.masked_fill(~measured_nl[:, None, :, None], 0))

    expected = results(masking, torch.float64)
    found = results(lambda *x: fused_attention(*x, measured_nl, theirs.projection_matrix), dtype)
    largest = max(gradient.norm() for gradient in expected[1:])
    beside = [expected[0].norm(), largest, largest, largest]
    off = [((a - b).norm() / c).item() for a, b, c in zip(found, expected, beside, strict=True)]
    return dict(zip(NAMES, off, strict=True))


def interpreted() -> dict[str, dict[str, float]]:
    """Every case's errors under the interpreter."""
    from rnalearner.model.favor import launch

    found = {}
    for name, (shape, masked, spread) in CASES.items():
        if "parts" in name:  # a CPU would not cut
            launch._Call.parts = lambda call, block: (3, 32)
        found[name] = errors(shape, masked, spread, "cpu", torch.float32)
    return found


@pytest.fixture(scope="module")
def off() -> dict[str, dict[str, float]]:
    pytest.importorskip("triton", reason="no Triton: it comes with torch's builds for GPUs, and with .[dev]")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", CASES)
def test_interpreted_kernels_give_performer_pytorchs_values_and_gradients(name: str, off):
    assert max(off[name].values()) < 1e-5, off[name]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)], ids=str)
@pytest.mark.parametrize(
    "shape", [(2, 10, 15118, 64, 266), (8, 4, 1001, 8, 32), (1, 1, 40, 16, 400)], ids=str
)
def test_on_a_gpu_the_kernels_do(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float):
    found = errors(shape, True, 1.0, "cuda", dtype)
    assert max(found.values()) < tolerance, found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(interpreted()))
