"""One database, two kinds: what every room of the gateway builds on."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from service.store.database import Database, next_number
from service.store.tables import leases, metadata

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def another(database: Database, database_url: str) -> Iterator[Database]:
    """As a second gateway process would have it."""
    another = Database(database_url)
    yield another
    another.close()


def _at_once(*works: Callable[[], None]) -> None:
    """All of them in threads; the first error of any is raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _add(connection: Connection, name: str) -> None:
    connection.execute(insert(leases).values(name=name, holder="me", until=1.0))


def _names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(leases.c.name).order_by(leases.c.name)).scalars())


def test_the_migrations_make_exactly_the_tables_that_the_code_names(database: Database) -> None:
    with database.read() as connection:
        # Alembic takes SQLite's quotes for a difference.
        options = {"compare_server_default": not database.sqlite}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_migrating_an_empty_database_from_several_processes_at_once_is_harmless(tmp_path: Path) -> None:
    several = [Database(f"sqlite:///{tmp_path / 'new.db'}") for _ in range(3)]
    _at_once(*[database.migrate for database in several])
    for database in several:
        assert _names(database) == []
        database.close()


def test_migrating_again_changes_nothing(database: Database, another: Database) -> None:
    with database.write() as connection:
        _add(connection, "kept")
    _at_once(database.migrate, another.migrate)
    assert _names(another) == ["kept"]


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        _add(connection, "half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.write() as connection:
        fail(connection)
    assert _names(database) == []


def test_what_is_not_committed_is_not_read(database: Database) -> None:
    with database.write() as connection:
        _add(connection, "soon")
        assert _names(database) == []
    assert _names(database) == ["soon"]


def test_writers_of_two_processes_wait_for_each_other(database: Database, another: Database) -> None:
    def write(who: Database, name: str) -> None:
        for n in range(20):
            with who.write() as connection:
                _add(connection, f"{name}{n}")

    _at_once(*[lambda w=w, n=n: write(w, n) for w, n in ((database, "a"), (database, "b"), (another, "c"))])
    assert len(_names(database)) == 60


def test_numbers_grow_without_gaps_for_all_processes_and_none_comes_back(
    database: Database, another: Database
) -> None:
    taken: list[int] = []

    def take(who: Database) -> None:
        for _ in range(20):
            with who.write() as connection:
                taken.append(next_number(connection, "datasets"))

    _at_once(*[lambda w=w: take(w) for w in (database, another, another)])
    assert sorted(taken) == list(range(1, 61))

    def fail(connection: Connection) -> None:
        next_number(connection, "datasets")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.write() as connection:
        fail(connection)
    with database.write() as connection:
        assert next_number(connection, "datasets") == 61


def test_a_coroutine_reads_what_was_committed_last_also_after_a_failure(database: Database) -> None:
    def holder(connection: Connection) -> str | None:
        return connection.execute(select(leases.c.holder)).scalar()

    async def read() -> list[str | None]:
        found = [await database.aread(holder)]
        await database.awrite(lambda connection: _add(connection, "one"))
        found.append(await database.aread(holder))
        with pytest.raises(SQLAlchemyError):
            await database.aread(lambda connection: connection.execute(text("SELECT * FROM nowhere")))
        found.append(await database.aread(holder))
        with database.write() as connection:
            connection.execute(update(leases).values(holder="you"))
        return [*found, await database.aread(holder)]

    assert asyncio.run(read()) == [None, "me", "me", "you"]


def test_writes_of_many_coroutines_are_each_all_or_nothing(database: Database) -> None:
    def write(n: int) -> Callable[[Connection], int]:
        def work(connection: Connection) -> int:
            _add(connection, f"{n:02d}")
            if n % 5 == 3:
                raise ZeroDivisionError(n)
            return n

        return work

    async def all_at_once() -> list[int | BaseException]:
        works = [database.awrite(write(n)) for n in range(50)]
        return await asyncio.gather(*works, return_exceptions=True)

    outcomes = asyncio.run(all_at_once())
    good = [n for n in range(50) if n % 5 != 3]
    assert [n for n in outcomes if not isinstance(n, BaseException)] == good
    assert _names(database) == [f"{n:02d}" for n in good]


def test_whoever_shares_a_transaction_that_fails_has_failed_too(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    database.migrate()

    def full(_: Connection) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    async def both_at_once() -> list[BaseException | None]:
        works = (partial(_add, name="shares"), full)
        return await asyncio.gather(*map(database.awrite, works), return_exceptions=True)

    outcomes = asyncio.run(both_at_once())
    assert [type(outcome) for outcome in outcomes] == [OperationalError, OperationalError]
    assert _names(database) == []
    database.close()


def test_a_database_that_cannot_be_written_fails_the_check(database: Database, database_url: str) -> None:
    database.check()
    if database.sqlite:
        path = database_url.removeprefix("sqlite:///")
        reader = Database(f"sqlite:///file:{path}?mode=ro&uri=true")
    else:
        with database.write() as connection:
            name = connection.execute(select(func.current_database())).scalar_one()
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        reader = Database(database_url)
    with pytest.raises(SQLAlchemyError):
        reader.check()
    reader.close()


def test_sqlite_writes_ahead_and_syncs_every_commit(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    database.migrate()
    with database.read() as connection:
        asked = ("journal_mode", "synchronous", "foreign_keys")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    database.close()
    assert found == ["wal", 2, 1]
    with closing(sqlite3.connect(tmp_path / "new.db")) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
