"""What the scouts agree on: sums over scouts of how far each parameter moved, and whose they are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from rnalearner.checkpoint import load_checkpoint, save_checkpoint
from rnalearner.config.scouting import Measure, Weighing
from rnalearner.errors import CheckpointError
from rnalearner.scouts.delta import GENES, WeightDelta, rms

_REMEDY = "scout again from one base checkpoint"
Sum = Literal["signed", "absolute", "squared"]
SUMS: tuple[Sum, ...] = ("signed", "absolute", "squared")


@dataclass(frozen=True)
class Member:
    """A scout that a guide was made of."""

    run: str
    scout_id: int
    seq: int
    sha256: str
    """Of its last delta."""
    name: str
    accuracy: float
    converged: bool
    moved: float
    weight: float


@dataclass(eq=False)
class Movement:
    """Weighted sums over scouts of delta, |delta| and delta^2, float64, by parameter: a guide before scaling.

    A fold: scouts join one by one in the order of their numbers, so that the same scouts give the same
    bits, and memory does not grow with their number. Sums and a weight are all there is, so scouts join
    an old one, and two of different scouts add up.
    """

    base_checkpoint: str
    weighing: Weighing = "evenly"
    members: list[Member] = field(default_factory=list)
    sums: dict[Sum, dict[str, np.ndarray]] = field(default_factory=lambda: {name: {} for name in SUMS})
    head_g: np.ndarray | None = None
    """Sum over scouts of the squared movement of the head's weights, by gene."""

    @property
    def weight(self) -> float:
        return float(sum(member.weight for member in self.members))

    def add(self, delta: WeightDelta, sha256: str) -> None:
        """The next scout joins; raises CheckpointError where its delta does not fit those before it."""
        where, deltas = f"scout {delta.scout_id}", delta.deltas
        last = max((m.scout_id for m in self.members if m.run == delta.run), default=-1)
        if delta.scout_id <= last:
            raise CheckpointError(where, f"comes after scout {last}", "add scouts in their order")
        if delta.base_checkpoint != self.base_checkpoint:
            began, ours = delta.base_checkpoint[:12], self.base_checkpoint[:12]
            raise CheckpointError(where, f"began at base checkpoint {began}, the guide at {ours}", _REMEDY)
        if self.members:
            _check_same_tensors(where, {**deltas, GENES: delta.head_g}, self._tensors())
        weight = weight_of(delta, self.weighing)
        squares = 0.0
        for name, value in deltas.items():
            # One wide copy, worked on in place: of 20 MB, what costs is moving them.
            wide = value.astype(np.float64)
            self._include("signed", name, wide, weight)
            np.abs(wide, out=wide)
            self._include("absolute", name, wide, weight)
            np.square(wide, out=wide)
            self._include("squared", name, wide, weight)
            squares += float(wide.sum())
        head_g = weight * np.square(delta.head_g.astype(np.float64))
        self.head_g = head_g if self.head_g is None else self.head_g + head_g
        ended = delta.result
        self.members.append(
            Member(
                run=delta.run,
                scout_id=delta.scout_id,
                seq=delta.seq,
                sha256=sha256,
                name="" if ended is None else ended.name,
                accuracy=0.5 if ended is None else ended.accuracy,
                converged=ended is not None and ended.converged,
                moved=float(np.sqrt(squares / max(sum(value.size for value in deltas.values()), 1))),
                weight=weight,
            )
        )

    def merged(self, other: "Movement") -> "Movement":
        """Of the scouts of both; raises CheckpointError where they share one, or differ in what moved."""
        ours = {(member.run, member.scout_id) for member in self.members}
        shared = [m for m in other.members if (m.run, m.scout_id) in ours]
        if shared:
            what = f"both have scout {shared[0].scout_id} of run {shared[0].run[:12]}"
            raise CheckpointError("guides", what, "merge guides of different scouts")
        if (self.base_checkpoint, self.weighing) != (other.base_checkpoint, other.weighing):
            what = "they differ in their base checkpoint, or in how scouts are weighed"
            raise CheckpointError("guides", what, _REMEDY)
        _check_same_tensors("guides", other._tensors(), self._tensors())
        sums = {k: {n: self.sums[k][n] + other.sums[k][n] for n in self.sums[k]} for k in SUMS}
        head_g = None if self.head_g is None or other.head_g is None else self.head_g + other.head_g
        return Movement(self.base_checkpoint, self.weighing, self.members + other.members, sums, head_g)

    def copy(self) -> "Movement":
        """Another one that scouts may join without this one's knowing."""
        sums = {kind: {n: value.copy() for n, value in self.sums[kind].items()} for kind in SUMS}
        return Movement(self.base_checkpoint, self.weighing, list(self.members), sums, self.head_g)

    def measured(self, measure: Measure = "squared") -> dict[str, np.ndarray]:
        """How far each parameter moved, float64 by name.

        squared, absolute: the mean over scouts of delta^2 or |delta|. signal_to_noise: `agreement`.
        Raises CheckpointError where no scout has joined, or none that weighs anything.
        """
        if self.weight <= 0:
            what = "no scout has sent a delta" if not self.members else "no scout weighs anything"
            raise CheckpointError("guide", what, "see why the scouts failed")
        if measure == "signal_to_noise":
            return self.agreement()
        return {name: total / self.weight for name, total in self.sums[measure].items()}

    def agreement(self) -> dict[str, np.ndarray]:
        """(mean delta)^2 / mean delta^2 in [0, 1]: 1 where all scouts moved a parameter alike, near 1/s where
        each of s went its own way, 0 where none moved it."""
        return {
            name: _ratio(np.square(self.sums["signed"][name]), squared * self.weight)
            for name, squared in self.sums["squared"].items()
        }

    def moved_by_gene(self) -> np.ndarray:
        """Root mean square movement of the head's weights on each gene, g."""
        assert self.head_g is not None, "measured() has refused a guide of no scout"  # noqa: S101
        return np.asarray(np.sqrt(self.head_g / self.weight))

    def save(self, folder: Path, meta: Mapping[str, Any]) -> str:
        """Store it; returns the sha256 of the numbers."""
        tensors = {
            f"{kind}/{name}": torch.from_numpy(np.ascontiguousarray(value))
            for kind in SUMS
            for name, value in self.sums[kind].items()
        }
        if self.head_g is not None:
            tensors[GENES] = torch.from_numpy(self.head_g)
        told = {"base_checkpoint": self.base_checkpoint, "weighing": self.weighing}
        return save_checkpoint(
            folder, tensors, dict(meta) | told | {"members": [asdict(m) for m in self.members]}
        )

    @classmethod
    def load(cls, folder: Path) -> "Movement":
        """Read it back; raises CheckpointError where it is damaged, or something else."""
        tensors, meta = load_checkpoint(folder)
        head = tensors.pop(GENES, None)
        made = cls(str(meta.get("base_checkpoint")), meta.get("weighing", "evenly"))
        try:
            made.members = [Member(**member) for member in meta["members"]]
            for name, value in tensors.items():
                kind, _, parameter = name.partition("/")
                made.sums[kind][parameter] = value.numpy()  # type: ignore[index]
        except (KeyError, TypeError) as error:
            raise CheckpointError(folder, f"holds no scouts' movement ({error})", "scout again") from None
        made.head_g = None if head is None else head.numpy()
        return made

    def _tensors(self) -> dict[str, np.ndarray]:
        return self.sums["squared"] | ({} if self.head_g is None else {GENES: self.head_g})

    def _include(self, kind: Sum, name: str, value: np.ndarray, weight: float) -> None:
        sums = self.sums[kind]
        if name not in sums:
            sums[name] = np.zeros(value.shape)
        sums[name] += value if weight == 1 else weight * value


def weight_of(delta: WeightDelta, weighing: Weighing) -> float:
    """What a scout counts for. evenly: 1. convergence: how much better than chance it told its held-out
    samples apart, 2 accuracy - 1, 0 at chance. effect: 1 / its mean squared movement, so that a scout that
    moved far in all counts no more than one that moved little."""
    if weighing == "evenly":
        return 1.0
    if weighing == "convergence":
        return max(0.0, 2 * delta.result.accuracy - 1) if delta.result is not None else 0.0
    moved = rms(delta.deltas)
    return 1 / moved**2 if moved > 0 else 0.0


def _check_same_tensors(where: str, found: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray]) -> None:
    if differing := sorted(found.keys() ^ ours.keys()):
        raise CheckpointError(where, f"moves other tensors ({differing[0]})", _REMEDY)
    for name, value in found.items():
        if value.shape != ours[name].shape:
            what = f"{name} is {value.shape}, elsewhere {ours[name].shape}"
            raise CheckpointError(where, what, _REMEDY)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
