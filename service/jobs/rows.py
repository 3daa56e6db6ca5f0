"""Jobs in the database: asked for, found, listed, stopped and run again. Nothing here asks the cluster."""

import secrets
from collections.abc import Mapping

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select

from service.crash import reached
from service.jobs.history import Entry, record
from service.jobs.places import WAITING, Places
from service.problems import ProblemError, missing
from service.recipes.ingredients import dataset_ids, gather, params_of, source_ids
from service.recipes.recipe import job_recipe
from service.schemas.jobs import TERMINAL, JobCreate, JobLinks, JobPublic
from service.settings import Settings
from service.store.database import next_number
from service.store.tables import events, job_datasets, job_sources, jobs

_SHOWN = [column for column in jobs.c if column.name not in ("beat", "beat_seen", "events_offset", "deleted")]
# Made once: building a statement takes ten times as long as SQLite takes to answer it.
_FIND = select(*_SHOWN).where(
    jobs.c.id == bindparam("id"), jobs.c.owner == bindparam("owner"), jobs.c.deleted.is_(False)
)
_FIND_LOCKED = _FIND.with_for_update()
_COUNT = select(func.count()).select_from(jobs).where(*WAITING, jobs.c.owner == bindparam("owner"))
_INSERT = insert(jobs).returning(*_SHOWN)


def submit(
    connection: Connection, settings: Settings, owner: str, wanted: JobCreate, now: float
) -> RowMapping:
    """Put a job into the queue, in a write transaction; raises what is wrong with it, and 429."""
    number = next_number(connection, "jobs")  # first: others wait here, so nobody miscounts
    _check_room(connection, settings, owner)
    job_id = f"job-{secrets.token_hex(12)}"
    found = gather(connection, settings, owner, wanted.params)
    job_recipe(job_id, wanted.params, found, settings)
    reached("job.checked")
    row = {
        "number": number,
        "id": job_id,
        "owner": owner,
        "kind": wanted.kind,
        "label": wanted.label,
        "params": wanted.params.model_dump(mode="json"),
        "status": "PENDING",
        "n_events": 1,
        "created": now,
    }
    job = connection.execute(_INSERT, row).mappings().one()
    queued = {"job": job_id, "seq": 1, "at": now, "kind": "queued", "data": {"attempt": 1}}
    connection.execute(insert(events), queued)
    if datasets := dataset_ids(wanted.params):
        rows = [{"job": job_id, "owner": owner, "dataset": dataset} for dataset in datasets]
        connection.execute(insert(job_datasets), rows)
    if sources := source_ids(wanted.params, found.model):
        connection.execute(insert(job_sources), [{"job": job_id, "source": source} for source in sources])
    reached("job.inserted")
    return job


def cancel(connection: Connection, owner: str, job_id: str, now: float) -> RowMapping:
    """Ask a job to stop, in a write transaction. One that waits has stopped by then; one that runs is
    the supervisor's to stop; one that is over stays as it ended."""
    job = find(connection, owner, job_id, lock=True)
    if job["status"] in TERMINAL or job["cancel"]:
        return job
    asked = Entry(now, "cancel", {})
    ended = Entry(now, "ended", {"status": "STOPPED", "cause": None, "error": None})
    if not record(
        connection, job_id, [asked, ended], WAITING, status="STOPPED", cancel=True, ended=now, progress=None
    ):
        record(connection, job_id, [asked], cancel=True)
    return find(connection, owner, job_id)


def retry(connection: Connection, settings: Settings, owner: str, job_id: str, now: float) -> RowMapping:
    """Run a failed or stopped job again, as its next attempt, in a write transaction.

    Raises ProblemError 409 for any other job, and what `submit` would say of it today.
    """
    next_number(connection, "jobs")  # for nothing but its lock: nobody miscounts in `_check_room`
    job = find(connection, owner, job_id, lock=True)
    if job["status"] not in ("FAILED", "STOPPED"):
        remedy = "submit it anew" if job["status"] == "SUCCEEDED" else "wait until it has ended"
        raise ProblemError(409, "job-not-over", f"job {job_id}", f"is {job['status']}", remedy)
    _check_room(connection, settings, owner)
    params = params_of(job["kind"], job["params"])
    job_recipe(job_id, params, gather(connection, settings, owner, params), settings)
    attempt = job["attempt"] + 1
    record(
        connection,
        job_id,
        [Entry(now, "retry", {"attempt": attempt})],
        status="PENDING",
        cause=None,
        error=None,
        attempt=attempt,
        submitted=None,
        cancel=False,
        progress=None,
        beat=None,
        beat_seen=None,
        events_offset=0,
        started=None,
        ended=None,
    )
    reached("retry.inserted")
    return find(connection, owner, job_id)


def find(connection: Connection, owner: str, job_id: str, lock: bool = False) -> RowMapping:
    """A job's row; raises ProblemError 404 for what is not there, or belongs to another."""
    wanted = {"id": job_id, "owner": owner}
    row = connection.execute(_FIND_LOCKED if lock else _FIND, wanted).mappings().first()
    if row is None:
        raise missing("job", job_id)
    return row


def page(
    connection: Connection, owner: str, before: int | None, limit: int, filters: Mapping[str, str | None]
) -> list[RowMapping]:
    """The newest first; one row more than `limit` says that there is a next page."""
    mine = select(*_SHOWN).where(jobs.c.owner == owner, jobs.c.deleted.is_(False))
    if before is not None:
        mine = mine.where(jobs.c.number < before)
    for column, value in filters.items():
        if value is not None:
            mine = mine.where(jobs.c[column] == value)
    return list(connection.execute(mine.order_by(jobs.c.number.desc()).limit(limit + 1)).mappings())


def public(connection: Connection, places: Places, row: RowMapping) -> JobPublic:
    """The row as its owner sees it."""
    waits = row["status"] == "PENDING" and row["submitted"] is None
    return JobPublic.model_validate(
        {
            **row,
            "queue_position": places.before(connection, row["number"]) if waits else None,
            "links": _links(f"/v1/jobs/{row['id']}"),
        }
    )


def _links(path: str) -> JobLinks:
    return JobLinks(
        self=path,
        events=f"{path}/events",
        logs=f"{path}/logs",
        results=f"{path}/results",
        metrics=f"{path}/metrics",
    )


def _check_room(connection: Connection, settings: Settings, owner: str) -> None:
    n_waiting: int = connection.execute(_COUNT, {"owner": owner}).scalar_one()
    if n_waiting >= settings.max_queued:
        what = f"holds {n_waiting} of your jobs, and may hold {settings.max_queued}"
        raise ProblemError(
            429, "queue-full", "the queue", what, "wait until some have begun", headers={"Retry-After": "30"}
        )
