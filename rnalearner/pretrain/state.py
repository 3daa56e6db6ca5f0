"""A resumable state of pretraining on disk: weights, AdamW's moments and the position in the data.

Random numbers are functions of counters, so there is no generator to store.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rnalearner.checkpoint import load_checkpoint, load_meta, save_checkpoint
from rnalearner.errors import CheckpointError
from rnalearner.pretrain.stopping import EarlyStopping


@dataclass(frozen=True)
class Progress:
    """How far training is: `step` updates done, the next batch being `batch` of `epoch`."""

    stopping: EarlyStopping
    step: int = 0
    epoch: int = 0
    batch: int = 0
    history: tuple[Mapping[str, float], ...] = field(default=())
    """One row an evaluation."""
    trained_s: float = 0.0
    """Time spent in steps, without start-up, validation and checkpoints."""
    timed_samples: int = 0
    """Samples of all workers seen in that time."""


def save_state(
    folder: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    fingerprint: str,
) -> None:
    """Write everything that `load_state` needs; `fingerprint` says which run it belongs to."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in moments.items()}
    save_checkpoint(folder, tensors, {"fingerprint": fingerprint, "progress": asdict(progress)})


def load_state(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str
) -> Progress | None:
    """Restore `model` and `optimiser` in place; None where there is no state of this run.

    A state of another fingerprint is another run's and is left alone, to be overwritten. Raises
    CheckpointError where the state is damaged.
    """
    progress = read_progress(folder, fingerprint)
    if progress is None:
        return None
    tensors, _ = load_checkpoint(folder)
    weights = {n.removeprefix("model."): v for n, v in tensors.items() if n.startswith("model.")}
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = value
    try:
        model.load_state_dict(weights)
        optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    except (RuntimeError, ValueError, KeyError) as error:
        what = f"the state of pretraining does not fit this run ({error})"
        raise CheckpointError(folder, what, "delete the folder to pretrain from the start") from None
    return progress


def read_progress(folder: Path, fingerprint: str) -> Progress | None:
    """Only how far the run of `fingerprint` is; None where `folder` holds no state of it."""
    if not folder.exists():
        return None
    meta = load_meta(folder)
    return _progress(meta["progress"]) if meta.get("fingerprint") == fingerprint else None


def _progress(values: dict[str, Any]) -> Progress:
    return Progress(
        **values
        | {
            "stopping": EarlyStopping(**values["stopping"]),
            "history": tuple(values["history"]),
        }
    )
