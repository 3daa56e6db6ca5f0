"""Every hostile file: what G-S3 asks for, and more."""

from pathlib import Path

from tests.hostile import (
    archives,
    foreign,
    h5ad_lies,
    hdf5_bombs,
    hdf5_damage,
    hdf5_links,
    numbers,
    parquet_bombs,
    parquet_lies,
    parquet_types,
    sheets,
    sparse_lies,
    text,
)
from tests.hostile.files import HostileFile

QUICK = 60
"""Files of the quick tier: at least one of every class."""


def corpus(outside: Path) -> list[HostileFile]:
    """Class by class, the same each time; those that reach out reach for files in `outside`."""
    found = [
        *text.files(),
        *numbers.files(),
        *archives.files(),
        *foreign.files(outside),
        *hdf5_links.files(outside),
        *hdf5_bombs.files(),
        *hdf5_damage.files(outside),
        *h5ad_lies.files(),
        *sparse_lies.files(),
        *parquet_bombs.files(),
        *parquet_lies.files(),
        *parquet_types.files(outside),
        *sheets.files(),
    ]
    return sorted(found, key=lambda file: file.kind)


def part(files: list[HostileFile], number: int) -> list[HostileFile]:
    """So many of them, every class in turn: its first, then its last, then what lies between."""
    classes: dict[str, list[HostileFile]] = {}
    for file in files:
        classes.setdefault(file.kind, []).append(file)
    chosen: list[HostileFile] = []
    turn = 0
    while len(chosen) < min(number, len(files)):
        for members in classes.values():
            if members and len(chosen) < number:
                chosen.append(members.pop(0 if turn % 2 == 0 else -1))
        turn += 1
    return sorted(chosen, key=lambda file: file.kind)
