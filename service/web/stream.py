"""A job's events as they come: each once, in their order, whoever was cut off goes on where they were."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from time import monotonic

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from sqlalchemy import Connection, Integer, RowMapping, bindparam, select

from service.gateway import Gateway
from service.jobs import rows as jobs
from service.problems import ProblemError
from service.schemas.jobs import TERMINAL, Event
from service.store.tables import events

_AT_ONCE = 100
"""Events read at a time: a long history is neither held whole, nor does it keep others waiting."""
_LOOK_S = 5.0
"""Another gateway process cannot ring this one's bell: so often is looked without it."""
_PING_S = 15.0
_LATER = (
    select(events)
    .where(events.c.job == bindparam("job"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
    .limit(bindparam("limit", type_=Integer))
)


@dataclass(frozen=True)
class Piece:
    """Some events in their order."""

    items: list[Event]
    ended: bool
    """No more will come, unless the job is run again."""


def piece(connection: Connection, owner: str, job_id: str, after: int, limit: int = _AT_ONCE) -> Piece:
    """The next events after number `after`; raises ProblemError 404.

    The job is read first: what happens between the two reads may be left for the next piece, but
    nothing that a job which is over has told.
    """
    job = jobs.find(connection, owner, job_id)
    wanted = {"job": job_id, "after": after, "limit": limit}
    rows: list[RowMapping] = list(connection.execute(_LATER, wanted).mappings())
    all_told = not rows or rows[-1]["seq"] == job["n_events"]
    return Piece([Event.model_validate(row) for row in rows], job["status"] in TERMINAL and all_told)


async def stream(gateway: Gateway, owner: str, job_id: str, after: int) -> AsyncIterator[bytes]:
    """Server-sent events: id is the number, event the kind, data the event; ends when the job has."""
    pinged = monotonic()
    with gateway.bulletin.watch(job_id) as watch:
        while True:
            try:
                new = await gateway.database.aread(partial(piece, owner=owner, job_id=job_id, after=after))
            except ProblemError:
                return  # deleted meanwhile
            for event in new.items:
                yield format_sse_event(id=str(event.seq), event=event.kind, data_str=event.model_dump_json())
                after = event.seq
            if new.ended:
                return
            if not new.items:
                await watch.wait(_LOOK_S)
            if monotonic() - pinged >= _PING_S:
                pinged = monotonic()
                yield KEEPALIVE_COMMENT
