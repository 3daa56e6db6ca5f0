"""What a mirror holds: one JSON object a line, appended once a file is whole and in its place."""

import errno
import fcntl
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

LEDGER = "downloads.jsonl"


@dataclass(frozen=True)
class Entry:
    """One file: where it lies in the mirror, what it was when it came, and from where."""

    path: str
    n_bytes: int
    sha256: str
    address: str
    date: str


class Ledger:
    """Of one folder, shared by threads and processes. A later line about a file replaces earlier ones."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self._entries: dict[str, Entry] = {}
        self._read_to = 0
        self._lock = threading.Lock()

    def entry(self, path: str) -> Entry | None:
        """The newest line about a file, written by whomever; None where there is none."""
        with self._lock:
            self._read_on()
            return self._entries.get(path)

    def add(self, entry: Entry) -> None:
        """Append a line; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(entry)) + "\n"
        with self._lock, self.path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # A writer that was killed may have left half a line: ours must not be glued to it.
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            written = ("\n" if torn else "") + line
            if file.write(written.encode()) < len(written.encode()):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(file.fileno())

    def _read_on(self) -> None:
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read_to:  # somebody removed it
                    self._read_to, self._entries = 0, {}
                file.seek(self._read_to)
                text = file.read()
        except FileNotFoundError:
            self._read_to, self._entries = 0, {}
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for line in whole.splitlines():
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError):
                continue  # half a line
            self._entries[entry.path] = entry
