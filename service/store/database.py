"""The database: SQLite in the data folder, or PostgreSQL by URL; the same statements on both."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text, update
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.store.group_commit import GroupCommit
from service.store.tables import counters, leases

T = TypeVar("T")

_BUSY_S = 10
"""How long a writer waits for another process's transaction."""
_MIGRATION_LOCK = 0x726E616C
"""Any number of our own: PostgreSQL lets one process at a time hold it."""


class Database:
    """Every change is one transaction, on disk before `write` returns."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.sqlite = parsed.get_backend_name() == "sqlite"
        # More connections than threads, so that nobody waits for one; on SQLite they cost nothing.
        pool: dict[str, Any] = {"pool_size": 10, "max_overflow": -1 if self.sqlite else 40}
        if not self.sqlite:
            pool |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}
        self._engine = create_engine(
            parsed,
            hide_parameters=True,  # what people typed is not for the log
            json_serializer=partial(json.dumps, allow_nan=False, separators=(",", ":")),
            **pool,
        )
        if self.sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
            self._reader: Engine = self._engine
            self._writer: Engine = self._engine.execution_options(writes=True)
        else:
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            self._writer = self._engine
        self._one_writer = threading.Lock()
        self._group = GroupCommit(self.write)
        self._of_the_loop: Connection | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for SELECTs; each of them sees what is committed when it begins."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block ends well, undone when it raises.

        SQLite has one writer at a time: keep the block short, and never nest two.
        """
        if not self.sqlite:
            with self._writer.begin() as connection:
                yield connection
            return
        with self._one_writer, self._writer.begin() as connection:
            yield connection

    async def aread(self, work: Callable[[Connection], T]) -> T:
        """`work(connection)` for a coroutine.

        In place on SQLite, where a SELECT by index takes microseconds and waits for no writer, with
        one connection that stays (taking another costs as much again); in a thread on PostgreSQL.
        """
        if not self.sqlite:
            return await run_in_threadpool(self._run, self.read, work)
        if self._of_the_loop is None:
            self._of_the_loop = self._reader.connect()
        try:
            return work(self._of_the_loop)
        except SQLAlchemyError:
            self._of_the_loop.invalidate()
            self._of_the_loop = None
            raise

    async def awrite(self, work: Callable[[Connection], T]) -> T:
        """`work(connection)` for a coroutine, all or nothing, in a thread; durable when it returns."""
        if self.sqlite:
            return await self._group.run(work)
        return await run_in_threadpool(self._run, self.write, work)

    @staticmethod
    def _run(mode: Callable[[], Any], work: Callable[[Connection], T]) -> T:
        with mode() as connection:
            return work(connection)

    def migrate(self) -> None:
        """Bring the tables to this version, in one transaction; other processes wait meanwhile."""
        from service.store.migrations import upgrade

        with self.write() as connection:
            if not self.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MIGRATION_LOCK})
            upgrade(connection)

    def check(self) -> None:
        """Raises SQLAlchemyError unless a transaction can write; changes nothing."""
        with self.write() as connection:
            connection.execute(update(leases).where(leases.c.name == "").values(until=0.0))

    def close(self) -> None:
        if self._of_the_loop is not None:
            self._of_the_loop.close()
        self._engine.dispose()


def next_number(connection: Connection, name: str) -> int:
    """1, 2, 3, ...: never one that was given out before, and visible to others in that order.

    Inside a write transaction, which others that ask for a number of this name then wait for; so a
    cursor that has passed a number has seen all that are lower.
    """
    taken = update(counters).where(counters.c.name == name).values(value=counters.c.value + 1)
    number = connection.execute(taken.returning(counters.c.value)).scalar()
    if number is None:
        raise LookupError(f"no counter {name}")
    return int(number)


def now() -> float:
    """Seconds since 1970, as all tables hold them."""
    return time.time()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_S * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
