"""The guide: for each parameter, how much of an update it may take."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.checkpoint import check_same, load_checkpoint, save_checkpoint
from rnalearner.errors import CheckpointError


@dataclass(frozen=True, eq=False)
class Guide:
    """Factors in [0, 1] by parameter name: 0 stays where it is, 1 moves freely.

    `meta`: base_checkpoint (sha256), gene_set, scale, measure, scaling, scouts (their numbers).
    """

    values: dict[str, Tensor]
    meta: dict[str, Any]

    def check(self, model: nn.Module) -> None:
        """Raise CheckpointError where a tensor is not a parameter of `model`, or of another shape."""
        parameters = dict(model.named_parameters())
        for name, value in self.values.items():
            if name not in parameters:
                what = f"{name} is not a parameter of the model"
            elif parameters[name].shape != value.shape:
                what = f"{name} is {tuple(value.shape)}, in the model {tuple(parameters[name].shape)}"
            else:
                continue
            raise CheckpointError("guide", what, "use the guide with the model that scouted, or scout again")

    def save(self, folder: Path) -> str:
        """Store it; returns the sha256 of the values."""
        return save_checkpoint(folder, self.values, self.meta)

    @classmethod
    def load(cls, folder: Path, expected: Mapping[str, Any] | None = None) -> "Guide":
        """Read it back; raises CheckpointError where it is damaged, or `meta` differs from `expected`."""
        values, meta = load_checkpoint(folder)
        check_same(folder, meta, expected or {})
        for name, value in values.items():
            if not bool(((value >= 0) & (value <= 1)).all()):
                raise CheckpointError(folder, f"{name} is not within [0, 1]", "scout again")
        return cls(values, meta)

    def summary(self) -> list[dict[str, Any]]:
        """A row a tensor: name, n_parameters, mean, share_above_half."""
        return [
            {
                "name": name,
                "n_parameters": value.numel(),
                "mean": value.double().mean().item(),
                "share_above_half": (value > 0.5).double().mean().item(),
            }
            for name, value in self.values.items()
        ]


def scaled(
    movement: Mapping[str, np.ndarray], scaling: Literal["per_tensor", "model_wide"] = "per_tensor"
) -> dict[str, Tensor]:
    """Min-max of the movement to [0, 1], float32: within each tensor, or over all of them at once.

    `per_tensor` is what the published code does; `model_wide`, its text, keeps the importance
    between layers. Where all values are equal there is nothing to rank: they become 1, or 0 where
    nothing moved.
    """
    if scaling == "model_wide":
        lowest = min(float(value.min()) for value in movement.values())
        highest = max(float(value.max()) for value in movement.values())
        return {name: _min_max(value, lowest, highest) for name, value in movement.items()}
    return {name: _min_max(value, float(value.min()), float(value.max())) for name, value in movement.items()}


def _min_max(value: np.ndarray, lowest: float, highest: float) -> Tensor:
    if highest == lowest:
        return torch.full(value.shape, float(highest > 0))
    return torch.from_numpy(((value - lowest) / (highest - lowest)).astype(np.float32))
