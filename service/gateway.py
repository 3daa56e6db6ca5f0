"""What the routes work with: one object a process, at `app.state.gateway`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.jobs.places import Places
from service.settings import Settings
from service.store.database import Database
from service.store.keys import KeyRing
from service.submitter import JobSubmitter

if TYPE_CHECKING:
    from service.datasets.validation import Validator
    from service.jobs.bulletin import Bulletin
    from service.jobs.supervisor import Supervisor


@dataclass(frozen=True)
class Gateway:
    """The parts of a running gateway.

    `supervisor.health` is `{"cluster": str | None, "seen": float | None}`: one sentence about what
    is wrong with the cluster (None: it answers us, and refuses whoever has no token), and when that
    was last looked at (None: not yet).
    """

    settings: Settings
    database: Database
    keys: KeyRing
    submitter: JobSubmitter
    supervisor: "Supervisor"
    validator: "Validator"
    bulletin: "Bulletin"
    places: Places = field(default_factory=Places)
