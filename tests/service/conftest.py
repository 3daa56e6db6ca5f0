"""Fixtures of all tests of the gateway.

database_url   URL of an empty database; the test runs twice, on SQLite and on PostgreSQL
sqlite_url     the same, SQLite only, for what does not touch the database's kind
settings       Settings on that database, in a data folder of its own; change with `.model_copy(update=)`
fake           a FakeCluster, see fake_cluster.py
gateway        a running gateway in this process (see harness.Running): `gateway.lab.get("/v1/me")`
               calls as the owner `lab` with all scopes, `gateway.caller("other", "read")` as anyone else,
               `gateway.http` without a key; `gateway.app`, `.database`, `.settings`, `.fake`
sqlite_gateway the same on SQLite, shared by the tests of a module: for what leaves nothing behind
live_gateway   the same as a process of its own (see harness.Live), to be killed: `live_gateway.start()`

For other settings: `with harness.running(settings, fake) as gateway:`. PostgreSQL is Debian's, started
once a session as an unprivileged user; its tests skip where it is not installed.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.settings import Settings
from service.store.database import Database
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Live, Running, running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A server's URL up to the database's name, for `.format(name)`; it holds the template `migrated`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not found or shutil.which("setpriv") is None:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="rlpg-", dir="/tmp"))  # a short path: a socket lives there
    # The server refuses to be root; and it ends with us, however we end.
    become = ["setpriv", "--pdeathsig", "INT"]
    if os.getuid() == 0:
        user = pwd.getpwnam(_unprivileged())
        os.chown(folder, user.pw_uid, user.pw_gid)
        become += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data, program = folder / "data", found[-1]
    quick = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=300"]
    try:
        initdb = [program.with_name("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8"]
        subprocess.run(
            [*become, *initdb, "--locale=C", "--no-sync"], check=True, capture_output=True, cwd=folder
        )
        settings = [f"unix_socket_directories={folder}", "listen_addresses=", *quick]
        options = [word for setting in settings for word in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [*become, program, "-D", data, *options], stdout=log, stderr=log, cwd=folder
            )
        try:
            url = f"postgresql+psycopg://postgres@/{{}}?host={folder}"
            _wait_for_server(folder, server)
            with psycopg.connect(host=str(folder), user="postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE migrated")
            database = Database(url.format("migrated"))
            database.migrate()
            database.close()
            yield url
        finally:
            server.send_signal(2)
            server.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _wait_for_server(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        try:
            psycopg.connect(host=str(folder), user="postgres").close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
    raise AssertionError((folder / "log").read_text())


@pytest.fixture
def postgresql_url(postgresql: str) -> Iterator[str]:
    """A new database on the server, with today's tables."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql.format("postgres").replace("+psycopg", ""), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE migrated STRATEGY FILE_COPY")  # type: ignore[arg-type]
        yield postgresql.format(name)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gateway.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data=tmp_path / "data", database_url=database_url, min_free_mb=0)


@pytest.fixture
def fake(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path / "cluster")


@pytest.fixture
def gateway(settings: Settings, fake: FakeCluster) -> Iterator[Running]:
    with running(settings, fake) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def sqlite_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    with running(Settings(data=folder / "data", min_free_mb=0), FakeCluster(folder / "cluster")) as gateway:
        yield gateway


@pytest.fixture
def live_gateway(settings: Settings, fake: FakeCluster) -> Iterator[Live]:
    live = Live(settings, fake)
    yield live
    live.stop()
