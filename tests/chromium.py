"""A real browser without a window, and a server that hears of every request it makes."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

BROWSER = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(BROWSER is None, reason="there is no chromium (Debian's package) here")
QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--mute-audio",
    "--allow-file-access-from-files",
]
"""No window, and as little talk of its own as the browser can be told."""
OWN = re.compile(r"^\w+ (http://)?[a-z0-9.-]+\.(google|googleapis|gvt1)\.com[:/]")
"""Updates, the time and the like, which the browser asks of its maker still. No hostile name does."""


class Canary:
    """Hears every request; as the browser's proxy it hears those to other hosts as well."""

    def __init__(self, port: int) -> None:
        self.port, self.lines = port, list[str]()

    @property
    def heard(self) -> list[str]:
        """Request lines, without those to its maker that the browser sends of itself."""
        return [line for line in self.lines if not OWN.search(line)]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def canary() -> Iterator[Canary]:
    """A Canary on a free port of loopback."""

    class Heard(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            told.lines.append(self.raw_requestline.decode(errors="replace").strip())
            return super().parse_request()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the server's own name

        def do_CONNECT(self) -> None:
            self.send_error(502)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Heard)
    told = Canary(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def opened(address: str, told: Canary, seconds: int = 120) -> str:
    """The page at `address` after its scripts, timers and requests are done, as HTML.

    Every request goes to `told`, whatever its host. The browser has a home of its own, whose path is short
    enough for its sockets.
    """
    assert BROWSER is not None
    with tempfile.TemporaryDirectory(prefix="rnl-", dir="/tmp", ignore_cleanup_errors=True) as home:
        command = [BROWSER, *QUIET, f"--user-data-dir={home}/data", "--virtual-time-budget=3000"]
        command += [f"--proxy-server=127.0.0.1:{told.port}", "--proxy-bypass-list=<-loopback>"]
        own = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR"), home)
        ran = subprocess.run(
            [*command, "--dump-dom", address],
            env=os.environ | own,
            capture_output=True,
            timeout=seconds,
            check=True,
            cwd=home,
        )
    return ran.stdout.decode(errors="replace")
