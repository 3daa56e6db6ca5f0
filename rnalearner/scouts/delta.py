"""What a scout tells: how far each parameter is from where it began."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np

from rnalearner.errors import CheckpointError
from rnalearner.packed import pack, unpack

GENES = "head_g"
"""Name of the one tensor of a stored delta that is no parameter: how far the head moved, by gene."""


@dataclass(frozen=True)
class ScoutProgress:
    """Where a scout stands; `status` is one of Ray's words."""

    scout_id: int
    name: str
    round: int
    max_rounds: int
    accuracy: float | None
    loss: float | None
    status: Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]


@dataclass(frozen=True)
class EpisodeResult:
    """How a scout ended."""

    scout_id: int
    name: str
    n_train: int
    n_held: int
    epochs: float
    steps: int
    accuracy: float
    """Held-out: mean over the two groups of the share told right, so a large group does not flatter."""
    loss: float
    """Held-out cross entropy, nats a sample."""
    converged: bool
    moved: float
    """Root mean square over all guided parameters of now minus base."""


@dataclass(frozen=True, eq=False)
class WeightDelta:
    """Current minus base parameters of one scout; made by a scout, consumed by the guide.

    Always measured from the base checkpoint, never from the delta before: one that is lost or comes
    twice does no harm, and the one of the highest `seq` is all that counts. Its bytes depend on what was
    learned alone, not on which process learned it, so that whoever repeats the work repeats the bytes.
    """

    run: str
    """Which scouting it belongs to: a delta of another one is refused."""
    scout_id: int
    seq: int
    """1, 2, ...: the rounds of a scout."""
    step: int
    """Steps of the optimiser so far."""
    n_samples: int
    """Training samples of the scout's task."""
    base_checkpoint: str
    """sha256 of the base checkpoint's weights."""
    weights: str
    """sha256 of the parameters themselves: two scouts with one hash ended alike to the bit."""
    deltas: dict[str, np.ndarray]
    """Parameter name -> float32. Never a buffer: a redrawn projection is not learnt."""
    head_g: np.ndarray
    """By gene, float32: how far the head's weights on it moved from where every scout's head starts."""
    result: EpisodeResult | None = None
    """How the scout ended; None where this is not its last delta."""

    def to_bytes(self) -> bytes:
        """One file; equal deltas give equal bytes."""
        meta = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("deltas", GENES)}
        meta["result"] = None if self.result is None else asdict(self.result)
        return pack({**self.deltas, GENES: self.head_g}, meta)

    @classmethod
    def from_bytes(cls, data: bytes) -> "WeightDelta":
        """Read it back; raises CheckpointError where they are no delta."""
        arrays, meta = unpack("delta", data)
        try:
            result = meta.pop("result")
            made = None if result is None else EpisodeResult(**result)
            return cls(**meta, head_g=arrays.pop(GENES), deltas=arrays, result=made)
        except (KeyError, TypeError) as error:
            what = f"is no weight delta ({type(error).__name__}: {error})"
            raise CheckpointError("delta", what, "send it again") from None


def rms(deltas: Mapping[str, np.ndarray]) -> float:
    """Root mean square over all elements of all tensors: how far a scout moved."""
    squares = sum(float(np.square(delta, dtype=np.float64).sum()) for delta in deltas.values())
    return float(np.sqrt(squares / max(sum(delta.size for delta in deltas.values()), 1)))
