"""Database, folder and fake cluster around a supervisor, without HTTP."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from service.jobs import rows as jobs
from service.jobs.bulletin import Bulletin
from service.jobs.reconcile import Limits
from service.jobs.supervisor import Supervisor
from service.schemas.jobs import TERMINAL, PretrainJob, PretrainParams
from service.settings import Settings
from service.store.database import Database, now
from service.store.tables import events
from service.store.tables import jobs as table
from tests.service.fake_cluster import FakeCluster

PACE_S = 0.02
OWNER = "lab"


@dataclass(frozen=True)
class House:
    settings: Settings
    database: Database
    fake: FakeCluster

    def submit(self, n: int = 1) -> list[str]:
        """Jobs as a route puts them into the queue; they need no dataset."""
        wanted = PretrainJob(kind="pretrain", params=PretrainParams(recipe="demo"))
        with self.database.write() as connection:
            return [jobs.submit(connection, self.settings, OWNER, wanted, now())["id"] for _ in range(n)]

    def cancel(self, job: str) -> None:
        with self.database.write() as connection:
            jobs.cancel(connection, OWNER, job, now())

    def retry(self, job: str) -> None:
        with self.database.write() as connection:
            jobs.retry(connection, self.settings, OWNER, job, now())

    @contextmanager
    def supervised(
        self, fake: FakeCluster | None = None, limits: Limits | None = None
    ) -> Iterator[Supervisor]:
        supervisor = Supervisor(self.settings, self.database, fake or self.fake, Bulletin(), PACE_S, limits)
        supervisor.start()
        try:
            yield supervisor
        finally:
            supervisor.stop()

    def row(self, job: str) -> Row[Any]:
        with self.database.read() as connection:
            return connection.execute(select(table).where(table.c.id == job)).one()

    def history(self, job: str) -> list[tuple[str, dict[str, Any]]]:
        """Kind and data of every event; they are numbered 1, 2, 3, ... and end, if at all, once."""
        with self.database.read() as connection:
            rows = connection.execute(select(events).where(events.c.job == job).order_by(events.c.seq)).all()
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert self.row(job).n_events >= len(rows)
        return [(row.kind, row.data) for row in rows]

    def kinds(self, job: str) -> list[str]:
        return [kind for kind, _ in self.history(job)]

    def until(self, job: str, status: str, timeout: float = 15) -> Row[Any]:
        """The row, once it has this status."""
        return self.wait(lambda: self.row(job), lambda row: row.status == status, timeout)

    @staticmethod
    def wait(look: Callable[[], Any], good: Callable[[Any], bool], timeout: float = 15) -> Any:
        end = time.monotonic() + timeout
        while not good(seen := look()):
            assert time.monotonic() < end, f"still {seen} after {timeout} s"
            time.sleep(0.01)
        return seen

    def check_ended(self, job: str, status: str, cause: str | None = None) -> None:
        """Its row and its history say, once, how it ended."""
        row, history = self.row(job), self.history(job)
        assert row.n_events == len(history)
        assert row.status == status in TERMINAL
        assert row.cause == cause
        assert row.ended is not None
        ends = [data for kind, data in history if kind == "ended"]
        assert history[-1][0] == "ended"
        assert ends[-1] == {"status": status, "cause": cause, "error": row.error}
        assert len(ends) == 1 + sum(kind == "retry" and "reason" not in data for kind, data in history)
