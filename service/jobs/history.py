"""A job's history: events numbered 1, 2, 3, ... that grow in the transaction that changes the job."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, update

from service.store.tables import events, jobs


@dataclass(frozen=True)
class Entry:
    """One event before it has its number."""

    at: float
    kind: str
    data: dict[str, Any]


def record(
    connection: Connection,
    job: str,
    entries: Sequence[Entry] = (),
    where: Sequence[ColumnElement[bool]] = (),
    **changes: Any,
) -> bool:
    """Change a job's row and lengthen its history; False, and nothing done, unless `where` holds.

    The row is locked by the update, before anything is numbered: two writers never take one number.
    """
    numbered = (
        update(jobs)
        .where(jobs.c.id == job, *where)
        .values(n_events=jobs.c.n_events + len(entries), **changes)
        .returning(jobs.c.n_events)
    )
    last = connection.execute(numbered).scalar()
    if last is None:
        return False
    if entries:
        rows = [
            {"job": job, "seq": seq, "at": entry.at, "kind": entry.kind, "data": entry.data}
            for seq, entry in enumerate(entries, last - len(entries) + 1)
        ]
        connection.execute(insert(events), rows)
    return True
