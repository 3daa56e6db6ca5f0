"""A dataset goes with all that derives from it: its files, and the jobs that read it or their results."""

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, and_, delete, or_, select, update

from service.crash import reached
from service.dataset_files import dataset_folder
from service.datasets.uploads import files_lock
from service.jobs.places import WAITING
from service.problems import missing
from service.schemas.jobs import TERMINAL
from service.settings import Settings
from service.store.database import Database
from service.store.tables import datasets, idempotency, job_datasets, job_sources, jobs


def delete_dataset(database: Database, settings: Settings, owner: str, dataset: str) -> None:
    """Remove it, and every job that derives from it and does not run; raises ProblemError 404.

    Jobs that run are asked to stop, are nobody's to see from now on (`deleted`), and go by
    `remove_ended` once they are.
    """
    reached("delete.begun")
    with files_lock(settings):
        with database.write() as connection:
            # First: whoever submits a job holds this row until the job is there to be found below.
            mine = (datasets.c.owner == owner, datasets.c.id == dataset)
            if connection.execute(delete(datasets).where(*mine)).rowcount == 0:
                raise missing("dataset", dataset)
            derived: set[str] = set()
            while derived != (found := _derived(connection, owner, dataset)):
                # Again until nothing is new: once marked, a job's results are nobody's to build on.
                derived = found
                marked = update(jobs).where(jobs.c.id.in_(derived))
                connection.execute(marked.values(cancel=True, deleted=True))
            reached("delete.stopped")
            removed = _remove_ended(connection, derived)
        reached("delete.committed")
        gone = [dataset_folder(settings, owner, dataset), *(settings.jobs / job for job in removed)]
        discarded = [_discard(folder) for folder in gone]
    for folder in discarded:
        shutil.rmtree(folder, ignore_errors=True)
    reached("delete.files")


def remove_ended(database: Database, settings: Settings) -> None:
    """Remove the jobs whose dataset went while they were still at work, and that are over by now."""
    with database.read() as connection:
        waiting = connection.execute(select(jobs.c.id).where(jobs.c.deleted.is_(True))).scalars().all()
    if not waiting:
        return
    with database.write() as connection:
        removed = _remove_ended(connection, waiting)
    for job in removed:
        shutil.rmtree(_discard(settings.jobs / job), ignore_errors=True)


def _derived(connection: Connection, owner: str, dataset: str) -> set[str]:
    """Ids of the jobs that read it, and of those that read their results, however far."""
    first = select(job_datasets.c.job).where(job_datasets.c.owner == owner, job_datasets.c.dataset == dataset)
    derived = first.cte("derived", recursive=True)
    derived = derived.union(select(job_sources.c.job).join(derived, job_sources.c.source == derived.c.job))
    return set(connection.execute(select(derived.c.job)).scalars())


def _remove_ended(connection: Connection, candidates: Iterable[str]) -> list[str]:
    """Of the candidates, those that are over or still wait here: no process knows of them."""
    over = or_(jobs.c.status.in_(TERMINAL), and_(*WAITING))
    ended = delete(jobs).where(jobs.c.id.in_(candidates), over)
    removed = list(connection.execute(ended.returning(jobs.c.id)).scalars())
    # Stored answers repeat what was asked for; a late retry of the request must not find the job in one.
    answers = [f"/v1/jobs/{job}" for job in removed]
    connection.execute(delete(idempotency).where(idempotency.c.location.in_(answers)))
    return removed


def _discard(folder: Path) -> Path:
    """Take it out of sight in one step; a crash from here on leaves what `sweep` knows by its name."""
    hidden = folder.with_name(f".removed-{uuid.uuid4().hex}")
    if folder.exists():
        folder.rename(hidden)
    return hidden
