"""Bytes on storage that several hosts share: a folder, or any file system that fsspec knows.

Nothing half-written is ever found under its name, and what `put` returned from is on disk: in a folder
by temporary file, fsync and link or rename; an object store's own `put` is whole or not at all.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem


class Storage:
    """A place named by a path or a URL (`s3://bucket/run`); names inside are relative, with slashes."""

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self._files, root = fsspec.core.url_to_fs(self.place)
        self._root = root.rstrip("/")
        self._local = isinstance(self._files, LocalFileSystem)

    def put(self, name: str, data: bytes) -> None:
        """Write, in place of what had that name."""
        if self._local:
            temporary = self._temporary(name, data)
            os.replace(temporary, self._path(name))
            _sync(Path(self._path(name)).parent)
        else:
            self._files.pipe_file(self._path(name), data)

    def put_new(self, name: str, data: bytes) -> bool:
        """Write unless the name is taken; says whether it wrote. In a folder only one of two writers does.

        On other file systems it looks before it writes: there one writer at a time is the caller's duty.
        """
        if not self._local:
            if self._files.exists(self._path(name)):
                return False
            self._files.pipe_file(self._path(name), data)
            return True
        temporary = self._temporary(name, data)
        try:
            os.link(temporary, self._path(name))
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)
        _sync(Path(self._path(name)).parent)
        return True

    def get(self, name: str) -> bytes:
        """Raises FileNotFoundError where there is none."""
        return bytes(self._files.cat_file(self._path(name)))

    def names(self, below: str = "") -> list[str]:
        """Every file below a folder, sorted; what is being written has no name yet."""
        top = self._path(below) if below else self._root
        self._files.invalidate_cache()
        found = self._files.find(top) if self._files.exists(top) else []
        names = (str(path)[len(self._root) :].lstrip("/") for path in found)
        return sorted(name for name in names if not name.rsplit("/", 1)[-1].startswith("."))

    def remove(self, name: str) -> None:
        """No error where there is none."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _temporary(self, name: str, data: bytes) -> Path:
        target = Path(self._path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{uuid.uuid4().hex}.{target.name}")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def numbered(names: list[str]) -> Iterator[str]:
    raise NotImplementedError


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
