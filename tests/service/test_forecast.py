"""How long a job will take and wait, by what ended here before."""

from typing import Any

import pytest
from sqlalchemy import insert

from service.jobs.forecast import queue_now, usual_seconds
from service.settings import Settings
from service.store.database import Database
from service.store.tables import jobs

NOW = 1_000_000.0


@pytest.fixture
def database(settings: Settings) -> Any:
    settings.data.mkdir(exist_ok=True)
    database = Database(settings.url)
    database.migrate()
    yield database
    database.close()


def put(database: Database, kind: str = "linear", **row: Any) -> None:
    with database.write() as connection:
        number = len(list(connection.execute(jobs.select()))) + 1
        told = {
            "id": f"job-{number}",
            "owner": f"o{number}",
            "kind": kind,
            "params": {},
            "created": NOW,
            "status": "PENDING",
        }
        connection.execute(insert(jobs).values(number=number, **told | row))


def ended(seconds: float, status: str = "SUCCEEDED") -> dict[str, Any]:
    return {"status": status, "submitted": NOW, "started": NOW - 1000, "ended": NOW - 1000 + seconds}


def test_nothing_is_said_where_nothing_has_ended(database: Database):
    with database.read() as connection:
        found = (*usual_seconds(connection, "linear"), *queue_now(connection, NOW))
    assert found == (None, 0, 0, 0)


def test_it_is_the_median_of_those_of_its_kind_that_succeeded(database: Database):
    for seconds in (10, 20, 90):
        put(database, **ended(seconds))
    put(database, **ended(5000, "FAILED"))
    put(database, "tune", **ended(7000))
    with database.read() as connection:
        assert usual_seconds(connection, "linear") == (20, 3)


def test_it_waits_for_what_is_before_it_and_what_is_left_of_what_runs(database: Database):
    put(database, **ended(20))
    put(database, "tune", **ended(100))
    put(database, "tune", status="RUNNING", submitted=NOW - 30, started=NOW - 30)
    put(database)
    with database.read() as connection:
        assert queue_now(connection, NOW) == (2, 70 + 20)


def test_a_wait_for_what_nobody_has_timed_is_not_guessed(database: Database):
    put(database, "pretrain")
    with database.read() as connection:
        assert queue_now(connection, NOW) == (1, None)
