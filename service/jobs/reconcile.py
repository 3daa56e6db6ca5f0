"""What to do about a job: how it stands in, a decision out. Pure.

What the job itself left is the truth: a result manifest of its attempt, else a heartbeat that moves.
The cluster's word is a hint, which only says how long silence means nothing.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from service.jobs.attempt import Manifest
from service.schemas.base import Fault
from service.schemas.jobs import JobStatus
from service.submitter import RayStatus

Hint = RayStatus | Literal["UNKNOWN", "UNREACHABLE"] | None
"""Ray's word of the submission id; UNKNOWN: it knows none such; None: it was not asked."""
OVER = frozenset({"STOPPED", "SUCCEEDED", "FAILED", "UNKNOWN"})
"""Words that say that no process is there."""


class Action(Enum):
    WAIT = "wait"
    SUBMIT = "submit"
    """Hand it over (again): whether the cluster took it was never recorded. Doing so twice is harmless."""
    RUN = "run"
    """It has begun."""
    STOP = "stop"
    """Ask the cluster to end it, as its owner asked."""
    END = "end"
    """It is over, with `status`, `cause` and `error`."""
    AGAIN = "again"
    """A new attempt; whatever is left of this one must not count any more."""


@dataclass(frozen=True)
class Limits:
    """How much silence and failure a gateway puts up with."""

    heartbeat_timeout_s: float = 60
    start_timeout_s: float = 300
    max_attempts: int = 2
    forced_stop_s: float = 10
    """After being asked to stop, a job has so long to say so itself."""

    @property
    def glance_s(self) -> float:
        """Several beats: silence for so long is a sign where the cluster, too, says that all is over.

        The gateway itself must have watched for so long before it declares anything dead: after its
        own pause (a restart, a laptop's sleep) every job looks silent.
        """
        return self.heartbeat_timeout_s / 4


@dataclass(frozen=True)
class Job:
    """What the database knows of a job that is not over."""

    status: JobStatus
    attempt: int
    claimed: bool
    """It has left the gateway's queue for the cluster."""
    taken: bool
    """The cluster is known to have taken this attempt."""
    cancel: bool


@dataclass(frozen=True)
class Signs:
    """What the job's folder says, and since when."""

    manifest: Manifest | None
    began: bool
    """This attempt's heartbeat was seen."""
    silent_s: float
    """Since the last new heartbeat; before the first one, since the cluster took the attempt."""
    watched_s: float
    """The gateway has looked all this time, without a pause."""
    stopping_s: float | None = None
    """Since the cluster was first asked to stop it; None: not yet."""


@dataclass(frozen=True)
class Decision:
    action: Action
    reason: str
    status: JobStatus | None = None
    cause: Literal["user", "system"] | None = None
    error: Fault | None = None


def decide(job: Job, signs: Signs, hint: Hint, limits: Limits) -> Decision:
    """Judge one look at a job that is not over in the database."""
    if signs.manifest is not None and signs.manifest.attempt == job.attempt:
        return _as_it_says(job, signs.manifest, limits)
    if not job.claimed:
        return (
            Decision(Action.END, "it waited", "STOPPED")
            if job.cancel
            else Decision(Action.WAIT, "in the queue")
        )
    if job.cancel:
        return _stop(signs, hint, limits)
    if not job.taken and not signs.began:
        return Decision(Action.SUBMIT, "not yet known to be with the cluster")
    patience_s = _patience_s(signs, hint, limits)
    if signs.silent_s > patience_s and signs.watched_s > min(patience_s, limits.glance_s):
        return _lost(job, signs, hint, limits)
    if signs.began and (job.status == "PENDING" or not job.taken):
        return Decision(Action.RUN, "its heart beats")
    return Decision(Action.WAIT, f"silent for {signs.silent_s:.0f} s, at most {patience_s:.0f}")


def needs_hint(signs: Signs, limits: Limits) -> bool:
    """Whether the cluster's word could change the decision: never while the heartbeat moves."""
    stopping = signs.stopping_s is not None and not signs.began
    return stopping or signs.silent_s > limits.glance_s


def _as_it_says(job: Job, manifest: Manifest, limits: Limits) -> Decision:
    """A manifest of this attempt always decides; what the system did to a job may be tried again."""
    if manifest.status == "SUCCEEDED":
        return Decision(Action.END, "it says so", "SUCCEEDED")
    if manifest.status == "FAILED" and manifest.cause == "user":
        return Decision(Action.END, "it says so", "FAILED", "user", manifest.error)
    if job.cancel:
        return Decision(Action.END, "it was asked to stop", "STOPPED")
    if job.attempt < limits.max_attempts:
        # Stopped though nobody asked: a host that went away, a cluster that was shut down.
        return Decision(Action.AGAIN, f"attempt {job.attempt}: {manifest.status}", error=manifest.error)
    cause: Literal["system"] | None = "system" if manifest.status == "FAILED" else None
    return Decision(Action.END, "it says so", manifest.status, cause, manifest.error)


def _stop(signs: Signs, hint: Hint, limits: Limits) -> Decision:
    """Give it a moment to say for itself that it stopped; what never began has nothing to say."""
    if signs.stopping_s is None:
        return Decision(Action.STOP, "its owner asked")
    if hint in OVER and not signs.began:
        return Decision(Action.END, f"it never began, and the cluster says: {hint}", "STOPPED")
    if signs.stopping_s > limits.forced_stop_s:
        return Decision(Action.END, f"silent {signs.stopping_s:.0f} s after the stop", "STOPPED")
    return Decision(Action.WAIT, f"asked to stop {signs.stopping_s:.0f} s ago")


def _patience_s(signs: Signs, hint: Hint, limits: Limits) -> float:
    """How much silence means nothing."""
    if hint in OVER:
        return limits.glance_s
    return limits.heartbeat_timeout_s if signs.began else limits.start_timeout_s


def _lost(job: Job, signs: Signs, hint: Hint, limits: Limits) -> Decision:
    last = "gave no sign of life" if signs.began else "never began"
    what = f"attempt {job.attempt} {last} for {signs.silent_s:.0f} s (the cluster says: {hint or 'nothing'})"
    error = Fault(
        where="cluster", what=f"was lost: {what}", remedy="retry the job; if that recurs, ask the operator"
    )
    if job.attempt < limits.max_attempts:
        return Decision(Action.AGAIN, what, error=error)
    return Decision(Action.END, what, "FAILED", "system", error)
