"""A folder over HTTP on this machine: the demo downloads its corpus as it would download recount3."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rnalearner.fetch.download import SUMS
from rnalearner.publish import sha256_of

_PIECE_BYTES = 1 << 18


class FolderHandler(BaseHTTPRequestHandler):
    """Files of a folder with sizes, ETags and ranges, and their SHA256SUMS."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    ranges = True
    """Whether a part of a file can be had."""

    def __init__(self, folder: Path, *request: object) -> None:
        self.folder = folder
        super().__init__(*request)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """A file, from where the client has it; else 404."""
        name = unquote(urlsplit(self.path).path).lstrip("/")
        path = (self.folder / name).resolve()
        if name == SUMS:
            self.answer(200, self.sums().encode())
        elif not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            self.answer(404, b"there is no such file\n")
        else:
            self.give(path)

    def give(self, path: Path) -> None:
        """A file, or its end."""
        stat = path.stat()
        tag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
        begin = self.begin(tag) if self.ranges else 0
        headers = {"ETag": tag, "Accept-Ranges": "bytes" if self.ranges else "none"}
        if begin >= stat.st_size > 0:
            self.answer(416, b"", {"Content-Range": f"bytes */{stat.st_size}"})
            return
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{stat.st_size - 1}/{stat.st_size}"
        self.head(206 if begin else 200, stat.st_size - begin, headers)
        with path.open("rb") as file:
            file.seek(begin)
            while piece := file.read(_PIECE_BYTES):
                self.send(piece)

    def begin(self, tag: str) -> int:
        """The first byte that the client asks for; 0 where it has another file's beginning."""
        unit, _, span = self.headers.get("Range", "").partition("=")
        first = span.split("-")[0]
        if unit != "bytes" or not first.isdigit() or self.headers.get("If-Range", tag) != tag:
            return 0
        return int(first)

    def sums(self) -> str:
        """Every file's sha256, as sha256sum writes it."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return "".join(f"{sha256_of(path)}  {path.relative_to(self.folder).as_posix()}\n" for path in files)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.head(status, len(body), headers or {})
        self.send(body)

    def head(self, status: int, n_bytes: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(n_bytes)} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, data: bytes) -> None:
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error is the user's."""


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no news."""


@contextmanager
def served(folder: Path, handler: type[FolderHandler] = FolderHandler) -> Iterator[str]:
    """Serve `folder` while the block runs; gives the address, which ends with a slash."""
    server = _QuietServer(("127.0.0.1", 0), partial(handler, folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
