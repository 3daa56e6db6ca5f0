"""Which of the ways to compute attention is taken."""

import os
from importlib.util import find_spec

import torch

from rnalearner.errors import RecipeError

VARIABLE = "RNALEARNER_ATTENTION"
KINDS = ("auto", "fused", "plain", "performer")
"""By device; the kernels; plain PyTorch; performer-pytorch's own formula."""
HAS_TRITON = find_spec("triton") is not None
"""It comes with torch's builds for GPUs, not with those for CPUs."""
WIDEST = 64
"""Columns of a head that the kernels' tiles take."""


def attention_kind() -> str:
    """What the environment asks for; raises RecipeError where it is none of KINDS."""
    kind = os.environ.get(VARIABLE, "auto")
    if kind not in KINDS:
        raise RecipeError(
            VARIABLE, f"{kind!r} is no way to compute attention", f"take one of {', '.join(KINDS)}"
        )
    return kind


def kernels_fit(device: torch.device, dtype: torch.dtype, dim_head: int) -> bool:
    """Whether the kernels can run with heads of this width; Triton multiplies bf16 from capability 8 on."""
    return (
        device.type == "cuda"
        and HAS_TRITON
        and dtype in (torch.bfloat16, torch.float32)
        and dim_head <= WIDEST
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )
