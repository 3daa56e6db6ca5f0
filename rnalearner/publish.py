"""Nothing half-written looks whole: write beside the target, fsync, rename."""

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""What a disk, and no program, is to blame for."""
_HALF = re.compile(r"\.[0-9a-f]{32}\.")
"""How the names of temporary files and folders begin."""


@contextmanager
def publish_file(target: Path) -> Iterator[Path]:
    """Give a temporary path in `target`'s folder; when the block ends well it becomes `target`."""
    _make_folder(target.parent)
    # The suffix stays last, because writers (numpy, pandas, matplotlib) choose a format by it.
    temporary = target.with_name(f".{uuid.uuid4().hex}.{target.name}")
    try:
        with _disk_faults(target):
            yield temporary
        _fsync(temporary)
        os.replace(temporary, target)
        _fsync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def publish_folder(target: Path) -> Iterator[Path]:
    """The same for a folder; an older `target` is replaced only once the new one is complete."""
    _make_folder(target.parent)
    temporary = target.with_name(f".{uuid.uuid4().hex}.{target.name}")
    temporary.mkdir()
    try:
        with _disk_faults(target):
            yield temporary
        for path in (temporary, *temporary.rglob("*")):  # a folder's own bytes are the names in it
            if path.is_dir() or path.is_file():
                _fsync(path)
        old = target.with_name(f".{uuid.uuid4().hex}.old")
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(temporary, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
        _fsync(target.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def publish_new(target: Path, data: bytes) -> bool:
    """Write `data` unless there is such a file; says whether it did. Of several writers one does."""
    _make_folder(target.parent)
    temporary = target.with_name(f".{uuid.uuid4().hex}.{target.name}")
    try:
        temporary.write_bytes(data)
        _fsync(temporary)
        os.link(temporary, target)  # unlike a rename, refuses where there is one
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    _fsync(target.parent)
    return True


def remove_halves(folder: Path) -> None:
    """What writers that were killed have left anywhere in `folder`, where nobody writes any more."""
    for place, folders, files in os.walk(folder):
        for name in filter(_HALF.match, files):
            Path(place, name).unlink(missing_ok=True)
        for name in filter(_HALF.match, folders):
            shutil.rmtree(Path(place, name), ignore_errors=True)
        folders[:] = [name for name in folders if not _HALF.match(name)]


def write_text(target: Path, text: str) -> None:
    with publish_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """`value` as indented JSON; NaN is refused, because JSON has none."""
    write_text(target, json.dumps(value, indent=2, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _disk_faults(target: Path) -> Iterator[None]:
    """What the disk refuses is an OSError, also where a library in Rust (safetensors) has only quoted it."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        quoted = re.search(r"\(os error (\d+)\)", str(error))
        number = int(quoted[1]) if quoted else 0
        if number not in DISK_FAULTS:
            raise
        raise OSError(number, os.strerror(number), str(target)) from error


def _make_folder(folder: Path) -> None:
    """Make `folder` and those above it, to stay there whatever happens to the machine."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _fsync(folder.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
