"""What the gateway asks of whatever runs its jobs; cluster/submission.py and tests implement it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

RayStatus = Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]


class JobSubmitter(Protocol):
    """A cluster's Jobs API. Every method may raise ClusterError: unreachable, for now.

    None takes longer than a few seconds, and none is called while a request waits, but for `nodes`
    and `logs`, which are requests about the cluster itself.
    """

    def submit(
        self, submission_id: str, words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        """Run `rnalearner <words>`; with an id that the cluster knows already, do nothing."""
        ...

    def status(self, submission_id: str) -> RayStatus | None:
        """A hint, not the truth; None where the cluster does not know the id."""
        ...

    def stop(self, submission_id: str) -> None:
        """Ask it to end; an unknown or ended one is no error."""
        ...

    def logs(self, submission_id: str) -> str:
        """What the driver printed, as far as the cluster still has it."""
        ...

    def nodes(self) -> list[dict[str, Any]]:
        """A row a node: id, alive, resources."""
        ...

    def check(self) -> None:
        """Raises ClusterError unless the Jobs API answers us, and refuses whoever has no token."""
        ...

    def close(self) -> None:
        """Let go of what this process started."""
        ...
