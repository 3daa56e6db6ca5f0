"""The guide's actor: hears of deltas, knows where every scout stands, publishes the guide."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnalearner.config import ScoutingConfig
from rnalearner.guide.faults import Base
from rnalearner.guide.ledger import Announcement, Ledger, Receipt
from rnalearner.layout import RunLayout
from rnalearner.scouts.delta import EpisodeResult, ScoutProgress
from rnalearner.storage import Storage

if TYPE_CHECKING:
    from rnalearner.guide.versions import GuideVersions, Version


class GuideActor:
    """A thin shell over rnalearner.guide; plain Python, made an actor by cluster.scouting.

    All it knows is on storage, apart from what scouts report of their progress: an actor that was
    started again finds there what its predecessor had acknowledged.
    """

    def __init__(
        self,
        layout: RunLayout,
        place: str,
        run: str,
        base: Base,
        config: ScoutingConfig,
        meta: dict[str, Any],
    ) -> None:
        self.ledger = Ledger(Storage(place), run, base, config.max_movement)
        self.about = layout, self.ledger, config, meta
        self.versions: GuideVersions | None = None
        self.progress: dict[int, ScoutProgress] = {}

    def admit(self, scout_id: int, attempt: int, who: str) -> int:
        """An attempt begins; returns up to which seq the scout's deltas are durable."""
        return self.ledger.admit(scout_id, attempt, who)

    def push(self, said: Announcement) -> Receipt:
        """A delta is on storage; when this returns it is committed, or refused with a reason."""
        return self.ledger.push(said)

    def report(self, progress: ScoutProgress) -> None:
        """A scout says where it stands."""
        self.progress[progress.scout_id] = progress

    def all_progress(self) -> dict[int, ScoutProgress]:
        return self.progress

    def durable(self, scout_id: int) -> int:
        return self.ledger.durable(scout_id)

    def attempts(self) -> dict[int, int]:
        """The latest attempt of every scout that has begun."""
        return self.ledger.attempts

    def ended(self) -> dict[int, EpisodeResult]:
        """The scouts that have ended, by number."""
        return self.ledger.ended()

    def publish(self, number: int, scout_ids: Sequence[int]) -> "Version":
        """A version of the guide; raises CheckpointError where a delta is damaged or missing."""
        if self.versions is None:
            from rnalearner.guide.versions import GuideVersions  # torch: acknowledging deltas needs none

            self.versions = GuideVersions(*self.about)
        return self.versions.publish(number, scout_ids)
