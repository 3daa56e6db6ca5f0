"""The guide's actor: hears of deltas, knows where every scout stands, publishes the guide."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnalearner.config import ScoutingConfig
from rnalearner.guide.aggregate import mean_movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.scouts.delta import WeightDelta, load_delta
from rnalearner.scouts.train import ScoutProgress


def delta_folder(deltas: Path, scout_id: int, attempt: int, seq: int) -> Path:
    """Where a delta lies; names sort as numbers do."""
    return deltas / f"scout-{scout_id:05d}" / f"{attempt:03d}-{seq:05d}"


class GuideActor:
    """A thin shell over rnalearner.guide; plain Python, made an actor by cluster.scouting.

    A delta is on shared storage before it is announced here, so the folder is the whole state: an
    actor that was started again finds in it what its predecessor had acknowledged. Announcements
    that are late or come twice are absorbed.
    """

    def __init__(self, deltas: Path) -> None:
        self.deltas = deltas
        self.newest: dict[int, tuple[int, int]] = {}
        self.progress: dict[int, ScoutProgress] = {}
        for path in sorted(deltas.glob("scout-*/[0-9]*-[0-9]*")):
            attempt, seq = path.name.split("-")
            self.announce(int(path.parent.name.removeprefix("scout-")), int(attempt), int(seq))

    def announce(self, scout_id: int, attempt: int, seq: int) -> tuple[int, int]:
        """A delta is on disk; returns the scout's newest (attempt, seq), below which none is needed."""
        self.newest[scout_id] = max(self.newest.get(scout_id, (0, 0)), (attempt, seq))
        return self.newest[scout_id]

    def report(self, progress: ScoutProgress) -> None:
        """A scout says where it stands."""
        self.progress[progress.scout_id] = progress

    def all_progress(self) -> dict[int, ScoutProgress]:
        return self.progress

    def publish(
        self, folder: Path, scout_ids: Sequence[int], config: ScoutingConfig, meta: dict[str, Any]
    ) -> str:
        """Make the guide of these scouts' newest deltas, store it in `folder`; returns its sha256.

        Raises CheckpointError where a delta is damaged, missing, or does not fit the others.
        """
        values = scaled(mean_movement(self._read(scout_ids), config.measure), config.scaling)
        return Guide(values, meta).save(folder)

    def _read(self, scout_ids: Sequence[int]) -> Iterator[WeightDelta]:
        """One at a time, in the order of the scouts' numbers."""
        for scout_id in sorted(scout_ids):
            yield load_delta(delta_folder(self.deltas, scout_id, *self.newest.get(scout_id, (0, 0))))
