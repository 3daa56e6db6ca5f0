"""How far parameters are from where they began."""

import hashlib
from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn


def snapshot(parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies of parameters, to measure from; raises TypeError for anything else, such as a buffer."""
    for name, value in parameters.items():
        if not isinstance(value, nn.Parameter):
            raise TypeError(f"{name} is not a parameter: a delta holds what is learnt, and nothing else")
    return {name: value.detach().clone() for name, value in parameters.items()}


def moved(base: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]) -> dict[str, np.ndarray]:
    """Now minus base by name, float32 on the CPU."""
    now = snapshot(parameters)
    if now.keys() != base.keys():
        raise ValueError(f"not the parameters of the base: {sorted(now.keys() ^ base.keys())}")
    return {name: (now[name] - base[name]).float().cpu().numpy() for name in now}


def weights_sha256(parameters: Mapping[str, Tensor]) -> str:
    """Of names and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode())
        digest.update(parameters[name].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
