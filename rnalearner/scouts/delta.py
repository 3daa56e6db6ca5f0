"""What a scout tells: how far each parameter is from where it began."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.checkpoint import load_checkpoint, save_checkpoint


@dataclass(frozen=True, eq=False)
class WeightDelta:
    """Current minus base parameters of one scout; made by a scout, consumed by the guide.

    Always measured from the base checkpoint, never from the delta before: one that is lost or comes
    twice does no harm, and the newest by `order` is all that counts.
    """

    scout_id: int
    attempt: int
    """0, and one more each time that the scout was started again."""
    seq: int
    """1, 2, ... within an attempt."""
    step: int
    """Steps of the optimiser so far."""
    n_samples: int
    """Training samples of the scout's task."""
    base_checkpoint: str
    """sha256 of the base checkpoint's weights."""
    deltas: dict[str, np.ndarray]
    """Parameter name -> float32. Never a buffer: a redrawn projection is not learnt."""

    @property
    def order(self) -> tuple[int, int]:
        return self.attempt, self.seq


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


def rms(deltas: Mapping[str, np.ndarray]) -> float:
    """Root mean square over all elements of all tensors: how far a scout moved."""
    squares = sum(float(np.square(delta, dtype=np.float64).sum()) for delta in deltas.values())
    return float(np.sqrt(squares / max(sum(delta.size for delta in deltas.values()), 1)))


def save_delta(folder: Path, delta: WeightDelta) -> str:
    """Write to `folder`, complete or not at all; returns the sha256 of the numbers."""
    meta = {name: getattr(delta, name) for name in _FIELDS}
    return save_checkpoint(folder, {n: torch.from_numpy(d) for n, d in delta.deltas.items()}, meta)


def load_delta(folder: Path) -> WeightDelta:
    """Read it back; raises CheckpointError where the bytes do not match their checksum."""
    tensors, meta = load_checkpoint(folder)
    return WeightDelta(**meta, deltas={name: tensor.numpy() for name, tensor in tensors.items()})


_FIELDS = ("scout_id", "attempt", "seq", "step", "n_samples", "base_checkpoint")
