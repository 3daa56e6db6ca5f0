"""Where a scout stands between two rounds: what another process needs to go on to the same bits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rnalearner.errors import CheckpointError
from rnalearner.packed import pack, unpack
from rnalearner.scouts.delta import EpisodeResult


@dataclass(frozen=True, eq=False)
class EpisodeState:
    """After round `seq`. Randomness is not stored: every epoch's follows from seed, scout and epoch."""

    seq: int
    step: int
    lowest: float
    """Held-out loss at its lowest so far."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """Weights, the optimiser's moments, and what features are centred and divided by."""
    result: EpisodeResult | None = None
    """How the scout ended, once it has."""

    def to_bytes(self) -> bytes:
        """One file; equal states give equal bytes."""
        told: dict[str, Any] = {"seq": self.seq, "step": self.step, "lowest": self.lowest}
        told |= {"result": None if self.result is None else asdict(self.result)}
        return pack({name: value.detach().cpu().numpy() for name, value in self.tensors.items()}, told)

    @classmethod
    def from_bytes(cls, data: bytes) -> "EpisodeState":
        """Read it back; raises CheckpointError where they are no state."""
        arrays, told = unpack("scout", data)
        tensors = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
        try:
            result = told.pop("result")
            made = None if result is None else EpisodeResult(**result)
            return cls(**told, tensors=tensors, result=made)
        except (KeyError, TypeError) as error:
            what = f"this is no scout's state ({type(error).__name__}: {error})"
            raise CheckpointError("scout", what, "start the scout again") from None


def optimiser_tensors(
    optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """Adam's moments and step counts by `<key>/<parameter>`."""
    return {
        f"{key}/{name}": value.detach().clone()
        for name, parameter in parameters.items()
        for key, value in optimiser.state[parameter].items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """Put `optimiser_tensors` back; step counts stay on the CPU, where Adam keeps them."""
    for stored, value in tensors.items():
        key, _, name = stored.partition("/")
        if name in parameters:
            device = value.device if key == "step" else parameters[name].device
            kept = value.to(device, copy=True)  # the optimiser changes its own in place
            optimiser.state[parameters[name]][key] = kept
