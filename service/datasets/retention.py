"""What should not be there any more: expired datasets, and what a crash left on the disk."""

import shutil
from pathlib import Path

from sqlalchemy import select

from service.crash import reached
from service.datasets.deletion import delete_dataset, remove_ended
from service.datasets.uploads import files_lock, sweep_scratch
from service.problems import ProblemError
from service.settings import Settings
from service.store.database import Database
from service.store.tables import datasets, jobs, keys


def sweep(database: Database, settings: Settings, now: float) -> None:
    """Remove datasets that expired before `now`, with what derives from them, and deleted jobs that ended."""
    with database.read() as connection:
        expired = select(datasets.c.owner, datasets.c.id).where(datasets.c.expires <= now)
        found = connection.execute(expired.order_by(datasets.c.expires)).all()
    for owner, dataset in found:
        reached("retention.begun")
        try:
            delete_dataset(database, settings, owner, dataset)
        except ProblemError:
            continue  # its owner was quicker
    remove_ended(database, settings)


def sweep_files(database: Database, settings: Settings) -> None:
    """At start: remove broken uploads, and folders of datasets and jobs that the database does not know.

    A database without a single key is another folder's, or new: then nothing is removed but what
    names itself as left over.
    """
    sweep_scratch(settings)
    for folder in (*settings.uploads.glob("*/.removed-*"), *settings.jobs.glob(".removed-*")):
        shutil.rmtree(folder, ignore_errors=True)
    with files_lock(settings):
        with database.read() as connection:
            if connection.execute(select(keys.c.id).limit(1)).first() is None:
                return
            known = {
                settings.uploads / owner / dataset
                for owner, dataset in connection.execute(select(datasets.c.owner, datasets.c.id))
            }
            known |= {settings.jobs / job for job in connection.execute(select(jobs.c.id)).scalars()}
        for folder in (*_visible(settings.uploads, "*/*"), *_visible(settings.jobs, "job-*")):
            if folder not in known:
                shutil.rmtree(folder, ignore_errors=True)


def _visible(root: Path, pattern: str) -> list[Path]:
    return [path for path in root.glob(pattern) if not path.name.startswith(".")]
