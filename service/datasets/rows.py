"""Datasets: a row each, and a folder of the same name that changes with it."""

import re
import shutil
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, insert, select, update

from service.crash import reached
from service.dataset_files import dataset_folder, labels_name, look_name, table_name
from service.datasets import quota
from service.datasets.uploads import Incoming, files_lock, sync_folder
from service.problems import missing
from service.schemas.looks import DatasetLook
from service.settings import Settings
from service.store.database import Database, next_number, now
from service.store.tables import datasets

NAME = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+$"
MOST_LETTERS = 255
"""Of a dataset: one line of text, and nothing that makes a terminal or a page show something else."""


def find(connection: Connection, owner: str, dataset: str) -> RowMapping | None:
    """The owner's dataset; nobody else's."""
    mine = select(datasets).where(datasets.c.owner == owner, datasets.c.id == dataset)
    return connection.execute(mine).mappings().first()


def get(connection: Connection, owner: str, dataset: str) -> RowMapping:
    """The same; raises ProblemError 404."""
    row = find(connection, owner, dataset)
    if row is None:
        raise missing("dataset", dataset)
    return row


def look_of(settings: Settings, row: RowMapping) -> DatasetLook | None:
    """What the jail has seen of a dataset; None where it could not read the table, or has not yet."""
    if row["report"] is not None:
        path = dataset_folder(settings, row["owner"], row["id"]) / look_name(row["labels_sha256"])
        with suppress(OSError, ValidationError):
            return DatasetLook.model_validate_json(path.read_bytes())
    return None


def page(
    connection: Connection, owner: str, state: str | None, before: int | None, limit: int
) -> list[RowMapping]:
    """The newest first; `before` is the number of the last one shown."""
    shown = select(datasets).where(datasets.c.owner == owner).order_by(datasets.c.number.desc()).limit(limit)
    if state is not None:
        shown = shown.where(datasets.c.state == state)
    if before is not None:
        shown = shown.where(datasets.c.number < before)
    return list(connection.execute(shown).mappings())


def is_name(text: str) -> bool:
    """Whether a dataset may be called so."""
    return len(text) <= MOST_LETTERS and re.fullmatch(NAME, text) is not None


def store(
    database: Database, settings: Settings, owner: str, name: str, table: Incoming, sheet: Incoming | None
) -> tuple[RowMapping, bool]:
    """Make the received table a dataset, unless its owner has it; returns its row and whether it is new.

    A sheet, where there is one, takes the place of the dataset's own.
    """
    dataset, folder = table.sha256, dataset_folder(settings, owner, table.sha256)
    with files_lock(settings):
        with database.read() as connection:
            row = find(connection, owner, dataset)
            if row is None:
                quota.check_number(connection, settings, owner)
                quota.check_bytes(settings, owner, table.size + (sheet.size if sheet is not None else 0))
        if row is None:
            _publish(table, sheet, folder)
            reached("upload.stored")
            created = now()
            days = settings.retention_days
            values = {
                "owner": owner,
                "id": dataset,
                "name": name,
                "bytes": table.size,
                "state": "VALIDATING",
                "labels_sha256": sheet.sha256 if sheet is not None else None,
                "created": created,
                "expires": None if days is None else created + days * 86400,
            }
            with database.write() as connection:
                number = next_number(connection, "datasets")
                connection.execute(insert(datasets).values(**values, number=number))
            reached("upload.committed")
    if row is not None and sheet is not None:
        return relabel(database, settings, owner, dataset, sheet), False
    with database.read() as connection:
        return get(connection, owner, dataset), row is None


def relabel(database: Database, settings: Settings, owner: str, dataset: str, sheet: Incoming) -> RowMapping:
    """Give a dataset another sheet and have both validated; the same sheet again changes nothing.

    The sheet before it stays beside it until the dataset goes: a waiting job may name it.
    Raises ProblemError 404.
    """
    mine = (datasets.c.owner == owner, datasets.c.id == dataset)
    with files_lock(settings):
        with database.read() as connection:
            row = get(connection, owner, dataset)
        if row["labels_sha256"] == sheet.sha256 and row["state"] != "REJECTED":
            return row
        quota.check_bytes(settings, owner, sheet.size)
        folder = dataset_folder(settings, owner, dataset)
        sheet.path.rename(folder / labels_name(sheet.sha256))
        sync_folder(folder)
        reached("labels.stored")
        anew = {"labels_sha256": sheet.sha256, "state": "VALIDATING", "report": None, "problem": None}
        with database.write() as connection:
            connection.execute(update(datasets).where(*mine).values(**anew))
        reached("labels.committed")
    with database.read() as connection:
        return get(connection, owner, dataset)


def as_kept(table: Incoming, sheet: Incoming | None) -> tuple[Path, Path | None]:
    """Received files by the names that say how to read them."""
    with table.path.open("rb") as file:
        name = table_name(file.read(8))
    kept = table.path.rename(table.path.with_name(name))
    if sheet is None:
        return kept, None
    return kept, sheet.path.rename(sheet.path.with_name(labels_name(sheet.sha256)))


def _publish(table: Incoming, sheet: Incoming | None, folder: Path) -> None:
    """The whole folder appears at once, or not at all."""
    ready = table.path.parent / "ready"
    ready.mkdir(mode=0o700)
    for path in as_kept(table, sheet):
        if path is not None:
            path.rename(ready / path.name)
    sync_folder(ready)
    shutil.rmtree(folder, ignore_errors=True)  # of an upload that a crash cut off before its row
    ready.rename(folder)
    sync_folder(folder.parent)
