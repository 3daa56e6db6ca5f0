"""Which of the ways to compute attention is taken."""

import os
from functools import cache
from importlib.util import find_spec

from rnalearner.errors import RecipeError

VARIABLE = "RNALEARNER_ATTENTION"
KINDS = ("auto", "fused", "plain", "performer")
"""By device; the kernels; plain PyTorch; performer-pytorch's own formula."""
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


@cache
def has_triton() -> bool:
    """It comes with torch's builds for GPUs, not with those for CPUs."""
    return find_spec("triton") is not None


def kernels_chosen(dim_head: int) -> bool:
    """Whether the kernels are to be used, on a GPU, with heads of this width."""
    return attention_kind() in ("auto", "fused") and has_triton() and dim_head <= WIDEST
