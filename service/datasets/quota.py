"""How much one owner may keep here, counted where it lies: tables, sheets, and uploads under way."""

import os
from pathlib import Path

from sqlalchemy import Connection, func, select

from service.problems import ProblemError
from service.settings import Settings
from service.store.tables import datasets

_MIB = 2**20
SCRATCH = ".incoming-"
"""What the folder of an upload under way begins with."""


def check_number(connection: Connection, settings: Settings, owner: str) -> None:
    """Room for one dataset more; raises ProblemError 507. Hold `files_lock`, so that nobody miscounts."""
    mine = select(func.count()).select_from(datasets).where(datasets.c.owner == owner)
    n_datasets: int = connection.execute(mine).scalar_one()
    if n_datasets >= settings.max_datasets:
        raise _reached(f"holds {n_datasets} datasets, and may hold {settings.max_datasets}")


def check_bytes(settings: Settings, owner: str, n_bytes: int) -> None:
    """Room for `n_bytes` more beside what is kept; raises ProblemError 507. Hold `files_lock`."""
    folder = settings.uploads / owner
    kept = sum(_size(entry) for entry in _entries(folder) if not entry.name.startswith(SCRATCH))
    _refuse(settings, kept, n_bytes)


def check_received(settings: Settings, owner: str, n_bytes: int) -> None:
    """The same beside all that is being received, too.

    Without a lock: it bounds the disk that uploads take before `check_bytes` says which of them stay.
    """
    _refuse(settings, sum(map(_size, _entries(settings.uploads / owner))), n_bytes)


def _refuse(settings: Settings, held: int, n_bytes: int) -> None:
    if held + n_bytes > settings.max_stored_mb * _MIB:
        what = f"holds {held / _MIB:.1f} MiB, may hold {settings.max_stored_mb}, and has no room"
        raise _reached(f"{what} for {n_bytes / _MIB:.1f} more")


def _entries(folder: Path | str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:  # gone since it was listed
        return []


def _size(entry: "os.DirEntry[str]") -> int:
    if entry.is_dir(follow_symlinks=False):
        return sum(map(_size, _entries(entry.path)))
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _reached(what: str) -> ProblemError:
    remedy = "delete datasets, or ask the operator for more"
    return ProblemError(507, "quota-reached", "your share of the gateway's disk", what, remedy)
