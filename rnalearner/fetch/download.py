"""A list of files into a mirror: in parallel, each whole or not there, none asked for twice."""

import errno
import re
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from rnalearner.errors import FetchError
from rnalearner.fetch.connection import AbsentError, Connection, Limits, StoppedError
from rnalearner.fetch.ledger import Entry, Ledger
from rnalearner.fetch.partial import opened
from rnalearner.publish import sha256_of

SUMS = "SHA256SUMS"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FAILURES_IN_A_ROW = 8
"""After so many files in a row that could not be had, it is the server and not the files."""
_SHOW_EVERY_S = 0.5

Progress = Callable[[int, int, int], None]
"""Files done, files in all, bytes received."""


@dataclass(frozen=True)
class Wanted:
    """One file: where it belongs in the mirror, and where it is."""

    path: str
    address: str
    sha256: str | None = None
    """The published one, where there is one."""


@dataclass
class Delivered:
    """What became of the wanted files, by path."""

    files: dict[str, Entry] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    """Those that the server does not have, with its answer."""
    failed: dict[str, FetchError] = field(default_factory=dict)
    n_cached: int = 0
    """Files that were there already."""
    n_bytes: int = 0
    """Received in this download."""


def download(
    wanted: Sequence[Wanted],
    folder: Path,
    limits: Limits,
    progress: Progress = lambda done, total, n_bytes: None,
) -> Delivered:
    """Bring every file into `folder`; several processes may do so at once.

    A file that lies there with the size and sha256 of the folder's ledger (and of the server's, where
    it publishes one) is not asked for. One that the server does not have is in `absent`. Raises
    FetchError where a file cannot be had after all retries (the others are brought first, unless
    the server seems gone) and where the disk is full; called again, it goes on from there.
    """
    if not wanted:
        return Delivered()
    todo, delivered = iter(wanted), Delivered()
    lock, in_a_row = Lock(), 0
    with Connection(limits, wanted[0].address) as connection:
        mirror = _Mirror(folder, connection)

        def work() -> None:
            nonlocal in_a_row
            while not connection.stop.is_set():
                with lock:
                    file = next(todo, None)
                if file is None:
                    return
                try:
                    entry, was_there = mirror.bring(file)
                except StoppedError:
                    return
                except AbsentError as answer:
                    delivered.absent[file.path] = str(answer)
                except FetchError as error:
                    with lock:
                        in_a_row += 1
                        if in_a_row >= FAILURES_IN_A_ROW or connection.stop.is_set():
                            raise
                    delivered.failed[file.path] = error
                    continue
                else:
                    with lock:
                        delivered.files[file.path] = entry
                        delivered.n_cached += was_there
                in_a_row = 0

        with ThreadPoolExecutor(limits.at_once) as pool:
            working = {pool.submit(work) for _ in range(min(limits.at_once, len(wanted)))}
            try:
                while working:
                    ended, working = wait(working, _SHOW_EVERY_S, FIRST_COMPLETED)
                    n_done = len(delivered.files) + len(delivered.absent) + len(delivered.failed)
                    progress(n_done, len(wanted), connection.n_bytes)
                    for worker in ended:
                        worker.result()
            except BaseException:
                connection.stop.set()  # the threads end at their next piece
                raise
        delivered.n_bytes = connection.n_bytes
    for first in delivered.failed.values():
        if len(delivered.failed) == 1:
            raise first
        what = f"{first.what} (and {len(delivered.failed) - 1} other files could not be had)"
        raise FetchError(first.where, what, first.remedy)
    return delivered


class _Mirror:
    """The folder, its ledger, and the server that fills it."""

    def __init__(self, folder: Path, connection: Connection) -> None:
        self.folder, self.connection = folder, connection
        self.ledger = Ledger(folder)

    def bring(self, wanted: Wanted) -> tuple[Entry, bool]:
        """The file's line in the ledger, and whether it was there. Raises AbsentError, FetchError."""
        target = self.folder / wanted.path
        try:
            if (there := self._kept(wanted, target)) is not None:
                return there, True
            with opened(target, self.connection.wait) as partial:
                # Who had the lock before may have been another process that brought it.
                if (there := self._kept(wanted, target)) is not None:
                    partial.discard()
                    return there, True
                try:
                    digest = self.connection.file(
                        wanted.address, partial, wanted.path.endswith(".gz"), wanted.sha256
                    )
                except AbsentError:
                    partial.discard()
                    raise
                entry = _entry(wanted, partial.n_bytes, digest)
                partial.publish()
                self.ledger.add(entry)
                return entry, False
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.connection.stop.set()
            what = f"there is no space left on the disk for {wanted.path}"
            remedy = "make room and run the same command again: it goes on from here"
            raise FetchError(self.folder, what, remedy) from None

    def _kept(self, wanted: Wanted, target: Path) -> Entry | None:
        if not target.is_file():
            return None
        n_bytes, entry = target.stat().st_size, self.ledger.entry(wanted.path)
        known = wanted.sha256 or (entry.sha256 if entry is not None else None)
        if known is None or (entry is not None and entry.sha256 == known and entry.n_bytes != n_bytes):
            return None
        if sha256_of(target) != known:
            return None
        if entry is None or entry.sha256 != known:  # somebody laid it there, and it is the published one
            entry = _entry(wanted, n_bytes, known)
            self.ledger.add(entry)
        return entry


def _entry(wanted: Wanted, n_bytes: int, digest: str) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Entry(wanted.path, n_bytes, digest, wanted.address, now)


def published_sums(base: str, limits: Limits) -> dict[str, str]:
    """Path -> sha256 from the server's SHA256SUMS; empty where it publishes none."""
    with Connection(limits, base) as connection:
        try:
            text = connection.body(base + SUMS).decode("utf-8", errors="replace")
        except AbsentError:
            return {}
    lines = (re.fullmatch(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)", line.strip()) for line in text.splitlines())
    return {line[2]: line[1].lower() for line in lines if line is not None}


__all__ = ["AbsentError", "Delivered", "Limits", "StoppedError", "Wanted", "download", "published_sums"]
