"""What a spreadsheet would run in a CSV, told without the writer's own rules."""

import csv
from pathlib import Path

SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff0b", "\uff0d", "\uff1d", "\uff20")
SHAPELESS = " \xa0\u200b\ufeff\u202e\0\"'"
"""What may be lost on opening, of all that `hostile_names` puts before a formula; an apostrophe counts."""


def active_cells(path: Path) -> list[str]:
    """Cells that begin with a sign, in whatever way the file is split: as it is meant, or at semicolons.

    Columns of numbers alone hold none: a minus there is a minus.
    """
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = [list(column) for column in zip(*rows, strict=True)]
    cells = [*header, *(cell for column in columns if not _is_numeric(column) for cell in column)]
    return [part for cell in cells for part in [cell, *_parts(cell)] if _begins(part)]


def _parts(cell: str) -> list[str]:
    """What follows each sign at which a spreadsheet of other habits would split."""
    for sign in ("\r", "\n", "\t"):
        cell = cell.replace(sign, ";")
    return cell.split(";")[1:]


def _begins(cell: str) -> bool:
    if cell.startswith("'"):
        return False
    return cell.startswith(SIGNS) or cell.lstrip(SHAPELESS).startswith(SIGNS)


def _is_numeric(column: list[str]) -> bool:
    try:
        return bool([float(cell) for cell in column if cell])
    except ValueError:
        return False
