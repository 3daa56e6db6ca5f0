"""Bytes on storage that several hosts share: a folder, or any file system that fsspec knows.

Nothing half-written is ever found under its name, and what `put` has returned from is there to stay: in a
folder by temporary file, fsync and rename; an object store's own `put` is whole or not at all.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from rnalearner.publish import publish_file, publish_new


class Storage:
    """A place named by a path or a URL (`s3://bucket/run`); names inside are relative, with slashes."""

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self._files, root = fsspec.core.url_to_fs(self.place)
        self._root = root.rstrip("/")
        self._local = isinstance(self._files, LocalFileSystem)

    def put(self, name: str, data: bytes) -> None:
        """Write, in place of what had that name."""
        if not self._local:
            self._files.pipe_file(self._path(name), data)
            return
        with publish_file(Path(self._path(name))) as temporary:
            temporary.write_bytes(data)

    def put_new(self, name: str, data: bytes) -> bool:
        """Write unless the name is taken; says whether it did.

        In a folder one of several writers does. Elsewhere it looks, then writes: there must be one alone.
        """
        if self._local:
            return publish_new(Path(self._path(name)), data)
        if self._files.exists(self._path(name)):
            return False
        self._files.pipe_file(self._path(name), data)
        return True

    def get(self, name: str) -> bytes:
        """Raises FileNotFoundError where there is none."""
        return bytes(self._files.cat_file(self._path(name)))

    def names(self, below: str) -> list[str]:
        """Every file below a folder, sorted; what is being written has no name yet."""
        self._files.invalidate_cache()
        top = self._path(below)
        found = self._files.find(top) if self._files.exists(top) else []
        names = (str(path)[len(self._root) :].lstrip("/") for path in found)
        return sorted(name for name in names if not name.rsplit("/", 1)[-1].startswith("."))

    def remove(self, name: str) -> None:
        """No error where there is none."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()
