"""Bytes on storage that several hosts share: a folder, or any file system that fsspec knows.

Nothing half-written is ever found under its name, and what `put` has returned from is there to stay: in a
folder by temporary file, fsync and rename; an object store's own `put` is whole or not at all. A folder may
be on NFS: what is relied on there is that rename replaces and link refuses at once for all hosts, which its
servers promise.

`s3://` needs the package s3fs (`pip install 'rnalearner[s3]'`). Who may read and write is never part of a
place: s3fs takes keys from where every AWS tool does (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a
profile, the host's role), and the address of a server that is not Amazon's from AWS_ENDPOINT_URL or
FSSPEC_S3_ENDPOINT_URL. Every host of a cluster needs both.
"""

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from rnalearner.errors import InputError
from rnalearner.publish import publish_file, publish_new


class Storage:
    """A place named by a path or a URL (`s3://bucket/run`); names inside are relative, with slashes.

    Raises InputError where the place is not this user's to use and, from what writes, where there is no such
    bucket; other faults are the file system's own.
    """

    def __init__(self, place: str | Path) -> None:
        """Raises InputError where fsspec does not know such a URL, or lacks the package for it."""
        self.place = str(place)
        try:
            self._files, root = fsspec.core.url_to_fs(self.place)
        except ImportError as error:
            what = f"needs a package that is not installed ({error})"
            raise InputError(self.place, what, "for s3:// run `pip install 'rnalearner[s3]'`") from None
        except ValueError as error:
            remedy = "name a folder, or a URL like s3://bucket/run"
            raise InputError(self.place, f"is no place that fsspec knows ({error})", remedy) from None
        self._root = root.rstrip("/")
        self._local = isinstance(self._files, LocalFileSystem)

    def check(self) -> None:
        """Raise InputError unless something can be written here and read back, whatever the reason."""
        name = f".{uuid.uuid4().hex}"
        try:
            self.put(name, b"")
            self.get(name)
            self.remove(name)
        except InputError:
            raise
        except Exception as error:  # each file system has kinds of its own
            what = f"cannot be used ({type(error).__name__}: {error})"
            remedy = "look at the place, and at the keys and the endpoint in the environment (AWS_...)"
            raise InputError(self.place, what, remedy) from error

    def put(self, name: str, data: bytes) -> None:
        """Write, in place of what had that name."""
        if not self._local:
            with self._allowed(writes=True):
                self._files.pipe_file(self._path(name), data)
            return
        with publish_file(Path(self._path(name))) as temporary:
            temporary.write_bytes(data)

    def put_new(self, name: str, data: bytes) -> bool:
        """Write unless the name is taken; says whether it did.

        In a folder one of several writers does, and on S3 (a conditional put). Elsewhere fsspec may look,
        then write: there must be one alone.
        """
        if self._local:
            return publish_new(Path(self._path(name)), data)
        try:
            with self._allowed(writes=True):
                self._files.pipe_file(self._path(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    def put_file(self, name: str, path: Path) -> None:
        """`put` of a file's bytes, a few parts of them in memory at a time."""
        if not self._local:
            with self._allowed(writes=True):
                self._files.put_file(str(path), self._path(name))
            return
        with publish_file(Path(self._path(name))) as temporary:
            shutil.copyfile(path, temporary)

    def get(self, name: str) -> bytes:
        """Raises FileNotFoundError where there is none."""
        with self._allowed():
            return bytes(self._files.cat_file(self._path(name)))

    def get_file(self, name: str, path: Path) -> None:
        """`get` into a file, a piece at a time; where this raises, `path` may hold half of it."""
        with self._allowed():
            self._files.get_file(self._path(name), str(path))

    def names(self, below: str) -> list[str]:
        """Every file below a folder, sorted; what is being written has no name yet."""
        self._files.invalidate_cache()
        top = self._path(below)
        with self._allowed():
            found = self._files.find(top) if self._files.exists(top) else []
        names = (str(path)[len(self._root) :].lstrip("/") for path in found)
        return sorted(name for name in names if not name.rsplit("/", 1)[-1].startswith("."))

    def remove(self, name: str) -> None:
        """No error where there is none."""
        with suppress(FileNotFoundError), self._allowed():
            self._files.rm_file(self._path(name))

    @contextmanager
    def _allowed(self, writes: bool = False) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            if self._local:
                raise
            remedy = "give keys that may, in the environment of every host"
            raise InputError(self.place, f"may not be used ({error})", remedy) from error
        except FileNotFoundError as error:
            if not writes:
                raise
            remedy = "make the bucket, or name another"
            raise InputError(self.place, f"is not there ({error})", remedy) from error

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()
