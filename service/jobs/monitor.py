"""News of one job, from its folder into the database: each line once, whatever dies in between."""

from typing import Any

from sqlalchemy import Row, select

from rnalearner.layout import RunLayout
from service.crash import reached
from service.jobs.attempt import MOST_BYTES, Line, Manifest, read_beat, read_lines, read_manifest
from service.jobs.estimate import advance
from service.jobs.history import Entry, record
from service.jobs.queue import OPEN, taken
from service.store.database import Database, now
from service.store.tables import jobs


def take_news(database: Database, run: RunLayout, job: Row[Any]) -> tuple[Row[Any], Manifest | None] | None:
    """The job's row after all that its folder says now, and its manifest.

    The manifest is read before the lines: with it, all of them are there. None where the row is no
    longer what it was: over, deleted, or of another attempt.
    """
    attempt = run.attempt(job.attempt)
    manifest = read_manifest(run, job.attempt)
    if manifest is not None:
        reached("result.read")
    beat = read_beat(attempt)
    row: Row[Any] | None = job
    while row is not None:
        lines, offset = read_lines(attempt, row.events_offset)
        if lines:
            reached("events.read")
        size = offset - row.events_offset
        row = _take(database, row, lines, offset, beat, manifest is not None)
        if lines:
            reached("events.committed")
        if row is not None and size < MOST_BYTES // 2:
            return row, manifest
    return None


def _take(
    database: Database, job: Row[Any], lines: list[Line], offset: int, beat: int | None, ended: bool
) -> Row[Any] | None:
    """One transaction: the lines get their numbers, and the row says how far they were taken."""
    entries = [Entry(line.at, line.kind, line.data) for line in lines]
    changes: dict[str, Any] = {}
    if job.beat is None and (lines or beat or ended):
        # It got there, although nobody lived to record that it was submitted.
        submitted, changes = taken(job, now())
        entries = [submitted, *entries]
    if beat is not None and beat != job.beat:
        changes |= {"beat": beat, "beat_seen": now()}
    if offset != job.events_offset:
        changes["events_offset"] = offset
    started = next((line.at for line in lines if line.kind == "started"), None)
    if started is not None:
        changes |= {"status": "RUNNING", "started": started}
    progress = job.progress
    for line in lines:
        progress = advance(progress, line, job.kind)
    if lines:
        changes["progress"] = progress
    if not changes:
        return job
    same = (OPEN, jobs.c.attempt == job.attempt, jobs.c.events_offset == job.events_offset)
    with database.write() as connection:
        if not record(connection, job.id, entries, same, **changes):
            return None
        return connection.execute(select(jobs).where(jobs.c.id == job.id)).one()
