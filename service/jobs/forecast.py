"""How long a job will take, by those of its kind that ended here; and how long it will wait."""

from statistics import median
from typing import NamedTuple

from sqlalchemy import Connection, select

from service.jobs.places import WAITING
from service.jobs.queue import OPEN
from service.store.tables import jobs

_LATEST = 20


class Usual(NamedTuple):
    """Of jobs of one kind."""

    seconds: float | None
    """The median of the latest; None where none has ended well here."""
    n: int
    """How many those were."""


class Queue(NamedTuple):
    """What is before a job that would be asked for now."""

    before: int
    """Jobs, of whomever, that wait or run."""
    wait_s: float | None
    """Until it would begin, were one of them to run at a time; None where that cannot be said."""


def usual_seconds(connection: Connection, kind: str) -> Usual:
    """Of the latest jobs of this kind that succeeded, whosever they were."""
    ended = (
        select(jobs.c.started, jobs.c.ended)
        .where(jobs.c.kind == kind, jobs.c.status == "SUCCEEDED", jobs.c.started.is_not(None))
        .order_by(jobs.c.number.desc())
        .limit(_LATEST)
    )
    took = [row.ended - row.started for row in connection.execute(ended)]
    return Usual(median(took) if took else None, len(took))


def queue_now(connection: Connection, at: float) -> Queue:
    """By the durations of jobs alone: nothing of whose they are."""
    waiting = connection.execute(select(jobs.c.kind).where(*WAITING)).scalars().all()
    handed_over = select(jobs.c.kind, jobs.c.started).where(OPEN, jobs.c.submitted.is_not(None))
    # A job that waits has run for no time.
    begun = [(kind, at) for kind in waiting]
    begun += [(row.kind, row.started or at) for row in connection.execute(handed_over)]
    usual = {kind: usual_seconds(connection, kind).seconds for kind in {kind for kind, _ in begun}}
    wait_s = 0.0
    for kind, since in begun:
        seconds = usual[kind]
        if seconds is None:
            return Queue(len(begun), None)
        wait_s += max(0.0, seconds - (at - since))
    return Queue(len(begun), wait_s)
