"""How long a job will take, by those of its kind that ended here; and how long it will wait."""

from dataclasses import dataclass
from statistics import median

from sqlalchemy import Connection, select

from service.jobs.places import WAITING
from service.schemas.jobs import JobKind
from service.store.tables import jobs

_LATEST = 20


@dataclass(frozen=True)
class Forecast:
    """Of a job that would be asked for now."""

    seconds: float | None
    """The median of the latest of its kind; None where none has ended well here."""
    n: int
    """How many those were."""
    before: int
    """Jobs, of whomever, that wait or run before it."""
    wait_s: float | None
    """Until it would begin, were one of them to run at a time; None where that cannot be said."""


def forecast(connection: Connection, kind: JobKind, at: float) -> Forecast:
    """By the durations of jobs alone: nothing of whose they were."""
    took = usual_seconds(connection, kind)
    waiting = connection.execute(select(jobs.c.kind).where(*WAITING)).scalars().all()
    running = connection.execute(
        select(jobs.c.kind, jobs.c.started).where(
            jobs.c.status.in_(("PENDING", "RUNNING")), jobs.c.submitted.is_not(None)
        )
    ).all()
    usual = {kind: usual_seconds(connection, kind)[0] for kind in {*waiting, *(row.kind for row in running)}}
    left = [usual[each] for each in waiting]
    for row in running:
        whole = usual[row.kind]
        left.append(None if whole is None else max(0.0, whole - (at - (row.started or at))))
    known = [seconds for seconds in left if seconds is not None]
    wait_s = sum(known) if len(known) == len(left) else None
    return Forecast(took[0], took[1], len(left), wait_s)


def usual_seconds(connection: Connection, kind: str) -> tuple[float | None, int]:
    """Median duration of the latest jobs of this kind that succeeded, and how many they were."""
    ended = (
        select(jobs.c.started, jobs.c.ended)
        .where(jobs.c.kind == kind, jobs.c.status == "SUCCEEDED", jobs.c.started.is_not(None))
        .order_by(jobs.c.number.desc())
        .limit(_LATEST)
    )
    took = [row.ended - row.started for row in connection.execute(ended)]
    return (median(took), len(took)) if took else (None, 0)
