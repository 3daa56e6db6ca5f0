"""What the routes work with: one object a process, at `app.state.gateway`."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from service.database import Database
from service.keys import KeyRing
from service.places import Places
from service.settings import Settings
from service.submitter import JobSubmitter

if TYPE_CHECKING:
    from service.bulletin import Bulletin
    from service.supervisor import Supervisor
    from service.validation import Validator


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
