"""A gateway to test: in this process, or in one of its own that may be killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from service.store.database import Database
from service.store.keys import SCOPES, create_key
from service.web.connection import Connection
from tests.service.fake_cluster import FakeCluster


def make_key(database: Database, owner: str = "lab", *scopes: str, days: float | None = None) -> str:
    """A key of this owner, with all scopes unless some are named."""
    with database.write() as connection:
        return create_key(connection, owner, "test", scopes or SCOPES, days)[1]


@dataclass(frozen=True)
class Caller:
    """Requests with one key: get, post, put, delete, request, as httpx has them."""

    http: httpx.Client
    key: str

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", **rest.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **rest)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("GET", path, **rest)

    def post(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("POST", path, **rest)

    def put(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("PUT", path, **rest)

    def delete(self, path: str, **rest: Any) -> httpx.Response:
        return self.request("DELETE", path, **rest)


@dataclass(frozen=True)
class Running:
    """A gateway in this process, over real HTTP: validator and supervisor run, the cluster is `fake`."""

    app: FastAPI
    http: httpx.Client
    fake: FakeCluster
    lab: Caller
    """Owner `lab`, all scopes."""

    @property
    def settings(self) -> Settings:
        settings: Settings = self.app.state.gateway.settings
        return settings

    @property
    def database(self) -> Database:
        database: Database = self.app.state.gateway.database
        return database

    def caller(self, owner: str, *scopes: str, days: float | None = None) -> Caller:
        """Somebody with a new key; all scopes unless some are named."""
        return Caller(self.http, make_key(self.database, owner, *scopes, days=days))


@contextmanager
def running(settings: Settings, fake: FakeCluster) -> Iterator[Running]:
    """The app with its lifespan, for as long as the block lasts."""
    app = create_app(settings, fake)
    config = uvicorn.Config(
        app,
        port=0,
        http=Connection,
        limit_concurrency=settings.max_connections,
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="gateway")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            yield Running(app, http, fake, Caller(http, make_key(app.state.gateway.database)))
    finally:
        server.should_exit = True
        thread.join()


class Live:
    """A gateway in a process of its own, one at a time; started anew it goes on with the same data."""

    def __init__(self, settings: Settings, fake: FakeCluster) -> None:
        self.settings, self.fake = settings, fake
        self.process: subprocess.Popen[str] | None = None
        self.http = httpx.Client()
        self._key: str | None = None

    def start(self, crash_at: str | None = None, log: Path | None = None, **environment: str) -> Caller:
        """Start it, to die at `crash_at` (service/crash.py); returns the owner `lab` with all scopes.

        What it says on standard error goes to `log`, if it is given.
        """
        assert self.process is None or self.process.poll() is not None, "one at a time"
        own = {f"RNALEARNER_{name.upper()}": str(value) for name, value in self.settings if value is not None}
        own |= {"RNALEARNER_PORT": "0", "FAKE_CLUSTER": str(self.fake.folder)}
        if crash_at is not None:
            own["RNALEARNER_CRASH_AT"] = crash_at
        with nullcontext() if log is None else log.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.service.live"],
                env={**os.environ, **own, **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as printed:
            line = printed.readline()
        assert line, f"the gateway did not start: exit code {self.process.wait(20)}"
        self.http.close()
        self.http = httpx.Client(base_url=json.loads(line)["url"], timeout=20)
        if self._key is None:
            database = Database(self.settings.url)
            self._key = make_key(database)
            database.close()
        return Caller(self.http, self._key)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def died(self, timeout: float = 20) -> bool:
        """Wait for its end; whether a SIGKILL, as at a crash point, was the cause."""
        assert self.process is not None
        return self.process.wait(timeout) == -signal.SIGKILL

    def stop(self) -> int | None:
        """SIGTERM, and its exit code; None if it was never started."""
        self.http.close()
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
