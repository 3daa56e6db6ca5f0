"""Bytes from outside on their way to disk: never in memory, never half there, never over a limit."""

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.datasets.quota import SCRATCH, check_received
from service.problems import ProblemError
from service.settings import Settings

MIB = 2**20
LABELS_MB = 16
"""A sheet of labels, at most."""
_PIECE = MIB
_LOOK = 64 * MIB
"""Bytes written between two looks at the free disk, and at the quota."""


class Incoming:
    """One file being written in a `scratch`, hashed on the way.

    `write` and `close` block, so call them in a thread.
    """

    def __init__(self, path: Path, settings: Settings, most_mb: int) -> None:
        self.path, self.size = path, 0
        self._owner = path.parent.parent.name
        self._settings, self._most_mb = settings, most_mb
        self._hash = hashlib.sha256()
        self._file = path.open("wb")
        self._looked = -_LOOK  # the first piece is looked at, too

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, piece: bytes) -> None:
        """Raises ProblemError: 413 over the limit, 507 where disk or quota would get too full."""
        self.size += len(piece)
        refuse_larger(self.size, self._most_mb)
        if self.size - self._looked > _LOOK:
            self._looked = self.size
            keep_floor(self._settings)
            check_received(self._settings, self._owner, len(piece))
        try:
            self._file.write(piece)
        except OSError as error:
            raise _as_full(error) from None
        self._hash.update(piece)

    def close(self) -> None:
        """On disk when this returns. Raises ProblemError 422 where nothing came."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _as_full(error) from None
        finally:
            self._file.close()
        if self.size == 0:
            raise ProblemError(422, "empty", "upload", "holds no byte", "send the file as the body")

    def abandon(self) -> None:
        """Let go of the file, whatever is in it."""
        with suppress(OSError):
            self._file.close()


@contextmanager
def scratch(settings: Settings, owner: str) -> Iterator[Path]:
    """A folder of one request beside the owner's datasets, gone after the block.

    Locked while it is in use, so that `sweep_scratch` knows those that a crash left.
    """
    folder = settings.uploads / owner / f"{SCRATCH}{uuid.uuid4().hex}"
    folder.mkdir(parents=True, mode=0o700)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep_scratch(settings: Settings) -> None:
    """Remove what broken uploads left."""
    for folder in settings.uploads.glob(f"*/{SCRATCH}*"):
        # Locked: of a process that lives; not found: it just ended.
        with suppress(BlockingIOError, FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


async def pour(request: Request, write: Callable[[bytes], object]) -> None:
    """The body to `write`, in a thread, about a MiB at a time."""
    waiting = bytearray()
    try:
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= _PIECE:
                await run_in_threadpool(write, bytes(waiting))
                waiting.clear()
    except ClientDisconnect:
        raise ProblemError(400, "cut-short", "upload", "ended before its length", "send it again") from None
    if waiting:
        await run_in_threadpool(write, bytes(waiting))


async def receive(request: Request, path: Path, settings: Settings, most_mb: int) -> Incoming:
    """The body as one file; raises ProblemError: 400 cut short, 413, 422 empty, 507."""
    incoming = Incoming(path, settings, most_mb)
    try:
        await pour(request, incoming.write)
        await run_in_threadpool(incoming.close)
    finally:
        incoming.abandon()
    return incoming


def refuse_declared(request: Request, settings: Settings, most_mb: int) -> None:
    """Refuse by Content-Length, before a byte is read; see `Incoming.write`."""
    declared = request.headers.get("content-length", "")
    n_bytes = int(declared) if declared.isascii() and declared.isdigit() else 0
    refuse_larger(n_bytes, most_mb)
    keep_floor(settings, n_bytes)


def refuse_larger(n_bytes: int, most_mb: int) -> None:
    if n_bytes > most_mb * MIB:
        what, remedy = f"is larger than {most_mb} MiB", "leave out what is not needed, or gzip it"
        raise ProblemError(413, "too-large", "upload", what, remedy)


def keep_floor(settings: Settings, n_bytes: int = 0) -> None:
    """Raises ProblemError 507 where `n_bytes` more would leave too little of the disk."""
    settings.uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
    if shutil.disk_usage(settings.uploads).free - n_bytes < settings.min_free_mb * MIB:
        raise _full(f"would have less than {settings.min_free_mb} MiB free")


def _full(what: str) -> ProblemError:
    remedy = "delete datasets, or ask the operator for room"
    return ProblemError(507, "disk-full", "the gateway's disk", what, remedy)


def _as_full(error: OSError) -> Exception:
    return _full("is full") if error.errno in (errno.ENOSPC, errno.EDQUOT) else error


@contextmanager
def files_lock(settings: Settings) -> Iterator[None]:
    """Held while a dataset's row and its files change together, by one thread of one process.

    Blocks: never on the event loop, and never inside a transaction.
    """
    settings.uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(settings.uploads / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def sync_folder(folder: Path) -> None:
    """Names in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
