"""recount3 and OSDR over real HTTP, from a folder, with the faults that public servers have."""

import fnmatch
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, quote, urlsplit

from rnalearner.fetch.download import SUMS
from rnalearner.fetch.loopback import FolderHandler, served


@dataclass
class Fault:
    """What happens to the files that a pattern names; counts go down as it happens."""

    unavailable: int = 0
    """So many answers of `status`, then the file."""
    status: int = 503
    retry_after: str | None = None
    cut: int = 0
    """So many answers that end in the middle, as when a connection breaks."""
    understated: int = 0
    """So many answers whose Content-Length is half of it: nothing but the file itself tells."""
    corrupted: int = 0
    """So many answers with some wrong bytes."""
    pause_s: float = 0.0
    """Between every piece of `piece_bytes`."""
    piece_bytes: int = 1 << 16
    absent: bool = False


@dataclass(frozen=True)
class Request:
    path: str
    range: str | None
    if_range: str | None
    at_s: float


@dataclass
class Mirror:
    """A server that runs: where, what it was asked, and what shall go wrong."""

    folder: Path
    address: str = ""
    faults: dict[str, Fault] = field(default_factory=dict)
    """By glob of the path."""
    ranges: bool = True
    tags: bool = True
    sums: bool = False
    wrong_sums: bool = False
    requests: list[Request] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def asked(self, pattern: str) -> list[Request]:
        return [request for request in self.requests if fnmatch.fnmatch(request.path, f"*{pattern}*")]

    def fault(self, path: str) -> Fault:
        return next(
            (f for pattern, f in self.faults.items() if fnmatch.fnmatch(path, f"*{pattern}*")), Fault()
        )

    def takes(self, fault: Fault, name: str) -> bool:
        """Whether this fault is to happen once more."""
        with self.lock:
            left = getattr(fault, name)
            setattr(fault, name, max(0, left - 1))
            return left > 0


@contextmanager
def mirror(folder: Path) -> Iterator[Mirror]:
    """Serve `folder`; faults may be switched while it runs."""
    told = Mirror(folder)

    class Handler(_FaultyHandler):
        mirror = told

    with served(folder, Handler) as address:
        told.address = address
        yield told


class _FaultyHandler(FolderHandler):
    mirror: Mirror
    timeout = 5

    def do_GET(self) -> None:  # noqa: N802
        path = self.path.lstrip("/")
        with self.mirror.lock:
            range_, if_range = self.headers.get("Range"), self.headers.get("If-Range")
            self.mirror.requests.append(Request(path, range_, if_range, time.monotonic()))
        self.ranges = self.mirror.ranges
        fault = self.mirror.fault(path)
        if fault.absent or (path == SUMS and not self.mirror.sums):
            self.answer(404, b"not here\n")
        elif self.mirror.takes(fault, "unavailable"):
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self.answer(fault.status, b"<html>try later</html>", headers)
        elif path.startswith("osdr/data/osd/"):
            self.osdr(path)
        elif path.startswith("geode-py/"):
            query = parse_qs(urlsplit(path).query)
            self.give(self.folder / urlsplit(path).path.split("/")[3] / query["file"][0])
        else:
            super().do_GET()

    def give(self, path: Path) -> None:
        self.fault = self.mirror.fault(self.path.lstrip("/"))
        self.cut = self.mirror.takes(self.fault, "cut")
        self.understated = self.mirror.takes(self.fault, "understated")
        self.corrupted = self.mirror.takes(self.fault, "corrupted")
        super().give(path)

    def head(self, status: int, n_bytes: int, headers: dict[str, str]) -> None:
        if not self.mirror.tags:
            headers.pop("ETag", None)
        self.left = (
            n_bytes // 2 if getattr(self, "cut", False) or getattr(self, "understated", False) else n_bytes
        )
        super().head(status, self.left if getattr(self, "understated", False) else n_bytes, headers)

    def send(self, data: bytes) -> None:
        if getattr(self, "corrupted", False) and len(data) > 40:
            data = data[: len(data) // 2] + bytes(byte ^ 0x55 for byte in data[len(data) // 2 :])
        data, pause_s = data[: self.left], getattr(getattr(self, "fault", None), "pause_s", 0.0)
        self.left -= len(data)
        step = self.fault.piece_bytes if pause_s else len(data) or 1
        for at in range(0, len(data), step):
            time.sleep(pause_s)
            self.wfile.write(data[at : at + step])
            self.wfile.flush()
        if getattr(self, "cut", False) and self.left == 0:
            self.close_connection = True
            self.connection.close()
            raise ConnectionAbortedError

    def sums(self) -> str:
        if not self.mirror.wrong_sums:
            return super().sums()
        names = [line.split("  ")[1] for line in super().sums().splitlines()]
        return "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names)

    def osdr(self, path: str) -> None:
        """Pages of the files API, and the metadata as they lie in `<accession>/metadata.json`."""
        parts = urlsplit(path)
        kind, number = parts.path.split("/")[3:5]
        folder, query = self.folder / f"OSD-{number}", parse_qs(parts.query)
        if not folder.is_dir():
            self.answer(404, b'{"success": false}')
        elif kind == "meta":
            self.answer(200, (folder / "metadata.json").read_bytes())
        else:
            page, size = int(query.get("page", ["0"])[0]), int(query.get("size", ["25"])[0])
            files = sorted(file for file in folder.iterdir() if file.name != "metadata.json")
            listed = [
                {
                    "file_name": file.name,
                    "file_size": file.stat().st_size,
                    "remote_url": f"/geode-py/ws/studies/OSD-{number}/download?source=datamanager"
                    f"&file={quote(file.name)}",
                }
                for file in files[page * size : (page + 1) * size]
            ]
            study = {"file_count": len(files), "study_files": listed}
            answer = {"success": True, "hits": 1, "page_number": page, "studies": {f"OSD-{number}": study}}
            self.answer(200, json.dumps(answer).encode())
