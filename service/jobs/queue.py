"""The gateway's own queue: waiting jobs go to the cluster strictly in the order they came."""

from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from rnalearner.errors import RnalearnerError
from rnalearner.layout import RunLayout
from rnalearner.publish import write_text
from service.crash import reached
from service.jobs.history import Entry, record
from service.jobs.places import WAITING
from service.problems import ProblemError
from service.recipes.ingredients import gather, params_of
from service.recipes.recipe import job_recipe, job_words
from service.schemas.base import Fault
from service.settings import Settings
from service.store.database import Database, now
from service.store.tables import jobs
from service.submitter import JobSubmitter

OPEN = jobs.c.status.in_(("PENDING", "RUNNING"))
"""Not over."""


class HopelessError(Exception):
    """A job that can never be handed over."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


def submission_id(job: str, attempt: int) -> str:
    """Deterministic: whoever asks again asks about the same submission."""
    return f"{job}-{attempt}"


def to_look_at(connection: Connection) -> list[Row[Any]]:
    """Jobs that are the cluster's business, or about to be, or wait to be ended; in their order."""
    theirs = select(jobs).where(OPEN, or_(jobs.c.submitted.is_not(None), jobs.c.cancel))
    return list(connection.execute(theirs.order_by(jobs.c.number)))


def claim(database: Database, max_running: int) -> Row[Any] | None:
    """Take the first waiting job, if there is room for one more; None if not.

    From here on nobody but the supervisor ends it, since the cluster may have it; that it does is
    known once `beat` is no longer null.
    """
    with database.read() as connection:
        waiting = select(jobs.c.id).where(*WAITING, jobs.c.cancel.is_(False)).order_by(jobs.c.number)
        first = connection.execute(waiting.limit(1)).scalar()
        theirs = select(func.count()).select_from(jobs).where(OPEN, jobs.c.submitted.is_not(None))
        if first is None or connection.execute(theirs).scalar_one() >= max_running:
            return None
    with database.write() as connection:
        claimed = record(connection, first, where=(*WAITING, jobs.c.cancel.is_(False)), submitted=now())
        row = connection.execute(select(jobs).where(jobs.c.id == first)).one_or_none()
    reached("queue.claimed")
    return row if claimed else None


def hand_over(settings: Settings, database: Database, submitter: JobSubmitter, job: Row[Any]) -> None:
    """Write its recipe and submit it; doing so again, after whatever interruption, changes nothing.

    Raises HopelessError; ClusterError where the cluster does not take it now, OSError without disk.
    """
    run = RunLayout(settings.jobs / job.id)
    words = _prepare(settings, database, job, run)
    reached("queue.written")
    if job.attempt > 1:
        submitter.stop(submission_id(job.id, job.attempt - 1))
    here = [*words, "--ray.address", "auto"]  # of the cluster that runs it
    submitter.submit(submission_id(job.id, job.attempt), here, run.root)
    reached("queue.submitted")
    entry, changes = taken(job, now())
    where = (OPEN, jobs.c.attempt == job.attempt, jobs.c.beat.is_(None))
    with database.write() as connection:
        record(connection, job.id, [entry], where, **changes)
    reached("queue.recorded")


def taken(job: Row[Any], at: float) -> tuple[Entry, dict[str, Any]]:
    """What is recorded, once, when the cluster is known to have an attempt: an event, and changes."""
    data = {"attempt": job.attempt, "submission": submission_id(job.id, job.attempt)}
    return Entry(at, "submitted", data), {"submitted": at, "beat": 0, "beat_seen": at}


def _prepare(settings: Settings, database: Database, job: Row[Any], run: RunLayout) -> list[str]:
    """The words of its command; recipe and folder of this attempt lie there for it."""
    params = params_of(job.kind, job.params)
    try:
        with database.read() as connection:
            found = gather(connection, settings, job.owner, params)
        config = job_recipe(job.id, params, found, settings)
    except ProblemError as problem:
        if problem.name == "dataset-not-ready":  # its sheet was just replaced
            raise
        raise HopelessError(problem.fault) from None
    except RnalearnerError as error:
        raise HopelessError(Fault(where=error.where, what=error.what, remedy=error.remedy)) from None
    for half in run.root.glob(f".*.{run.recipe.name}"):  # of a gateway that was killed while it wrote
        half.unlink(missing_ok=True)
    write_text(run.recipe, config.model_dump_json(indent=2) + "\n")
    fence(run, job.attempt)
    return job_words(job.kind, run.root, job.attempt, found.source)


def fence(run: RunLayout, attempt: int) -> None:
    """Whatever still runs of earlier attempts sees a higher number here, and ends itself."""
    run.attempt(attempt).root.mkdir(parents=True, exist_ok=True)
