"""What is removed by itself: expired datasets, deleted jobs that ended, leftovers of a crash."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from service.dataset_files import dataset_folder, table_of
from service.datasets import rows
from service.datasets.deletion import delete_dataset
from service.datasets.retention import sweep, sweep_files
from service.datasets.uploads import Incoming, scratch
from service.problems import ProblemError
from service.settings import Settings
from service.store.database import Database
from service.store.keys import create_key
from service.store.tables import datasets, events, idempotency, job_datasets, jobs
from tests.service.toy_tables import table

DAY = 86_400.0


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    settings.data.mkdir()
    database = Database(settings.url)
    database.migrate()
    with database.write() as connection:
        create_key(connection, "lab", "", ["read"], None)
    yield database
    database.close()


def upload(database: Database, settings: Settings, body: bytes, owner: str = "lab") -> str:
    with scratch(settings, owner) as folder:
        incoming = Incoming(folder / "file", settings, 10)
        incoming.write(body)
        incoming.close()
        return str(rows.store(database, settings, owner, "mine", incoming, None)[0]["id"])


def add_job(database: Database, settings: Settings, number: int, status: str, dataset: str) -> str:
    job = f"job-{number:024x}"
    row = {"number": number, "id": job, "owner": "lab", "kind": "explore", "params": {}, "created": 1.0}
    with database.write() as connection:
        connection.execute(insert(jobs).values(**row, status=status, submitted=1.0))
        connection.execute(insert(events).values(job=job, seq=1, at=1.0, kind="queued", data={}))
        connection.execute(insert(job_datasets).values(job=job, owner="lab", dataset=dataset))
        stored = {
            "owner": "lab",
            "key": job,
            "request_sha256": "",
            "status": 202,
            "body": "{}",
            "created": 1.0,
        }
        connection.execute(insert(idempotency).values(**stored, location=f"/v1/jobs/{job}"))
    (settings.jobs / job / "report").mkdir(parents=True)
    return job


def names(database: Database, column: object) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(column)).scalars())  # type: ignore[call-overload]


def test_a_dataset_goes_when_its_time_is_over_and_not_before(settings: Settings, database: Database) -> None:
    settings = settings.model_copy(update={"retention_days": 2})
    dataset = upload(database, settings, table())
    kept = upload(database, settings.model_copy(update={"retention_days": None}), table(1))
    job = add_job(database, settings, 1, "SUCCEEDED", dataset)
    with database.read() as connection:
        row = rows.get(connection, "lab", dataset)
    assert row["expires"] == row["created"] + 2 * DAY
    sweep(database, settings, row["expires"] - 1)
    assert names(database, jobs.c.id) == [job]
    sweep(database, settings, row["expires"])
    assert names(database, datasets.c.id) == [kept]
    assert [names(database, column) for column in (jobs.c.id, events.c.job, idempotency.c.key)] == [
        [],
        [],
        [],
    ]
    assert not dataset_folder(settings, "lab", dataset).exists()
    assert table_of(dataset_folder(settings, "lab", kept)).read_bytes() == table(1)
    assert list(settings.jobs.iterdir()) == []


def test_a_running_job_outlives_its_dataset_until_it_ends(settings: Settings, database: Database) -> None:
    dataset = upload(database, settings, table())
    job = add_job(database, settings, 1, "RUNNING", dataset)
    delete_dataset(database, settings, "lab", dataset)
    with pytest.raises(ProblemError):
        delete_dataset(database, settings, "lab", dataset)
    with database.read() as connection:
        marks = connection.execute(select(jobs.c.cancel, jobs.c.deleted)).one()
    assert tuple(marks) == (True, True)
    sweep(database, settings, 0)
    assert names(database, jobs.c.id) == [job]
    with database.write() as connection:
        connection.execute(update(jobs).values(status="STOPPED"))
    sweep(database, settings, 0)
    assert names(database, jobs.c.id) == []
    assert list(settings.jobs.iterdir()) == []


def test_a_start_clears_what_no_row_knows(settings: Settings, database: Database) -> None:
    dataset = upload(database, settings, table())
    job = add_job(database, settings, 1, "SUCCEEDED", dataset)
    owner = settings.uploads / "lab"
    orphans = [owner / ("0" * 64), owner / ".removed-1", owner / ".incoming-1"]
    orphans += [settings.jobs / f"job-{'f' * 24}", settings.jobs / ".removed-2"]
    for orphan in orphans:
        (orphan / "below").mkdir(parents=True)
    live = owner / ".incoming-2"
    live.mkdir()
    lock = os.open(live, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    sweep_files(database, settings)
    os.close(lock)
    assert [orphan for orphan in orphans if orphan.exists()] == []
    assert live.exists()
    assert table_of(owner / dataset).exists()
    assert (settings.jobs / job / "report").exists()


def test_another_database_makes_no_folder_an_orphan(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    kept = settings.uploads / "lab" / ("0" * 64)
    kept.mkdir(parents=True)
    database = Database(settings.url)
    database.migrate()
    sweep_files(database, settings)
    database.close()
    assert kept.exists()
