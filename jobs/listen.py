"""One uvicorn worker on one socket."""

import gc
import logging
import re
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from rnalearner.errors import GatewayError
from service.settings import Settings
from service.web.connection import Connection

_GRACE_S = 3
"""Answers under way, streams above all, get so long at the end."""


_FILES_EACH = 4
"""Open files of a connection, at most: itself, a lock, and two uploaded files."""

_KEY = re.compile(r"(rnal_[0-9a-f]{20}_)[0-9a-f]+")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What lives as long as the process is not looked through again: that took 80 ms each time.
            gc.collect()
            gc.freeze()
            self._announce()


@contextmanager
def bound(settings: Settings) -> Iterator[tuple[socket.socket, str]]:
    """The socket and its URL; raises GatewayError where host and port cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_socket(settings, error) from None
    with found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
        except OSError as error:
            raise _no_socket(settings, error) from None
        host, port = found.getsockname()[:2]
        yield found, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _no_socket(settings: Settings, error: OSError) -> GatewayError:
    what = f"cannot be listened on ({error.strerror})"
    return GatewayError(f"{settings.host}:{settings.port}", what, "choose another --host or --port")


def listen(app: FastAPI, found: socket.socket, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` once requests are taken.

    Raises GatewayError if the app does not start; why is in the log.
    """
    most: int = app.state.gateway.settings.max_connections
    _allow_files(_FILES_EACH * most)
    # What strangers send wrong goes into the answer, not into our log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Connection,
        limit_concurrency=most,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Behind a proxy nothing is decided by who asks from where.
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, announce)
    # uvicorn, once done, raises the signal again for whoever listened before: nobody need.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[found])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not server.started:
        raise GatewayError("the gateway", "did not start", "see the lines above")


def _allow_files(wanted: int) -> None:
    """Raise the limit on open files, as far as it may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _Redacting(logging.Formatter):
    """Whatever is logged, the secret of an API key is not: people paste them into paths."""

    def format(self, record: logging.LogRecord) -> str:
        return _KEY.sub(r"\1...", super().format(record))


def log_to(access_log: Path | None) -> None:
    """Warnings to standard error; a JSON line a request to `access_log`, if it is given."""
    said = logging.StreamHandler()
    said.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[said], level=logging.WARNING)
    if access_log is None:
        return
    requests = logging.getLogger("rnalearner.access")
    requests.setLevel(logging.INFO)
    requests.propagate = False
    lines = logging.FileHandler(access_log)
    lines.setFormatter(_Redacting())
    requests.addHandler(lines)
