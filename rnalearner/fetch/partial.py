"""A file on its way: under a hidden name in its own folder, so that no half file is ever read."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_PIECE_BYTES = 1 << 20
_ASK_AGAIN_S = 0.1


class Partial:
    """What has come of one file; locked, so that of several processes one writes it."""

    def __init__(self, target: Path, path: Path, file: BinaryIO) -> None:
        self.target, self._path, self._file = target, path, file
        self._validator_path = path.with_name(path.name + ".validator")
        self.n_bytes = os.fstat(file.fileno()).st_size

    @property
    def validator(self) -> str | None:
        """ETag or date of the file that these bytes are of; without it they cannot be gone on from."""
        try:
            return self._validator_path.read_text(encoding="latin-1") or None
        except FileNotFoundError:
            return None

    def restart(self, validator: str | None = None) -> None:
        """Forget what came; what comes now is of the file with this validator."""
        self._file.truncate(0)
        self.n_bytes = 0
        self._validator_path.unlink(missing_ok=True)
        if validator is not None:
            self._validator_path.write_text(validator, encoding="latin-1")

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._file.fileno(), rest, self.n_bytes)
            self.n_bytes += written
            rest = rest[written:]

    def pieces(self) -> Iterator[bytes]:
        """What came so far."""
        at = 0
        while piece := os.pread(self._file.fileno(), _PIECE_BYTES, at):
            at += len(piece)
            yield piece

    def publish(self) -> None:
        """It is whole: give it its name."""
        os.fsync(self._file.fileno())
        os.replace(self._path, self.target)
        self._validator_path.unlink(missing_ok=True)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Nothing is to come."""
        self._path.unlink(missing_ok=True)
        self._validator_path.unlink(missing_ok=True)


@contextmanager
def opened(target: Path, wait: Callable[[float], object]) -> Iterator[Partial]:
    """The partial file of `target`; waits where another process, or another thread, has it."""
    path = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
            if not _locked(file) or not _is_at(file, path):
                wait(_ASK_AGAIN_S)
                continue
            yield Partial(target, path, file)
            return


def _locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """False where who had it before has published or discarded it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
