"""Arrays and what is said of them as one run of bytes: what travels. Without torch: that takes seconds."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rnalearner.errors import CheckpointError


def pack(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    """`arrays` and `meta` as one safetensors file; equal ones give equal bytes. NaN in `meta` is refused."""
    plain = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    # One key: safetensors keeps several in no order.
    return save(plain, {"meta": json.dumps(dict(meta), sort_keys=True, allow_nan=False)})


def unpack(where: object, data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read `pack` back, the arrays read-only; raises CheckpointError naming `where` for anything else.

    A file of another making, or cut short, is noticed; a changed number is not: whoever stores the bytes
    keeps their sha256.
    """
    try:
        length = int.from_bytes(data[:8], "little")  # safetensors: a length, JSON, then the tensors
        meta = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["meta"])
        return load(data), dict(meta)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"holds no tensors with a meta ({type(error).__name__}: {error})"
        raise CheckpointError(where, what, "remake it") from None
