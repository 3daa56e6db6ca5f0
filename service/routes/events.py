"""A job's history: as a stream, or asked for now and then; and the curves in it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from service.gateway import Gateway
from service.jobs import rows as jobs
from service.problems import problems
from service.routes.jobs import JobPath
from service.schemas.jobs import EventPage, JobMetrics, MetricPoint
from service.store.tables import events
from service.web.cursors import Limit
from service.web.deps import GatewayDep, Reader
from service.web.etags import NOT_MODIFIED, IfNoneMatch, tagged
from service.web.stream import piece, stream

router = APIRouter(prefix="/v1", tags=["jobs"])

_LAST = 2**31 - 1
_MOST_POINTS = 10_000
_SENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "event": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Event"},
        },
    },
}
_EITHER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of server-sent events (`id` is the number, `event` the kind, `data` the "
        "event as JSON), which ends when the job has; or, asked for JSON, a page of events.",
        "content": {"text/event-stream": {"itemSchema": _SENT}},
        "model": EventPage,
    }
}


@router.get("/jobs/{job_id}/events", responses=_EITHER | NOT_MODIFIED | problems(404))
async def read_events(
    job_id: JobPath,
    caller: Reader,
    gateway: GatewayDep,
    after: Annotated[int, Query(ge=0, le=_LAST, description="Only events after this number.")] = 0,
    last_event_id: Annotated[
        int, Header(ge=0, le=_LAST, description="As `after`; the later of both counts.")
    ] = 0,
    format: Annotated[
        Literal["sse", "json"] | None, Query(description="Without it, what the header Accept asks for.")
    ] = None,
    limit: Limit = 100,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    held: IfNoneMatch = None,
) -> Response:
    """Every event of a job, each once and in order, from whichever one you have seen last."""
    start = max(after, last_event_id)
    if format == "json" or (format is None and "application/json" in (accept or "")):
        told = await gateway.database.aread(
            lambda connection: piece(connection, caller.owner, job_id, start, limit)
        )
        last = told.items[-1].seq if told.items else start
        page = EventPage(items=told.items, after=last, ended=told.ended)
        return tagged(page.model_dump_json().encode(), held)
    await gateway.database.aread(lambda connection: jobs.find(connection, caller.owner, job_id))
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventSourceResponse(stream(gateway, caller.owner, job_id, start), headers=headers)


@router.get("/jobs/{job_id}/metrics", response_model=JobMetrics, responses=NOT_MODIFIED | problems(404))
async def read_metrics(
    job_id: JobPath, caller: Reader, gateway: GatewayDep, held: IfNoneMatch = None
) -> Response:
    """The figures that its progress carried; the latest ones where there are very many."""
    metrics = await run_in_threadpool(metrics_of, gateway, caller.owner, job_id)
    return tagged(metrics.model_dump_json().encode(), held)


def metrics_of(gateway: Gateway, owner: str, job_id: str) -> JobMetrics:
    told = select(events.c.at, events.c.data).where(events.c.job == job_id, events.c.kind == "progress")
    with gateway.database.read() as connection:
        jobs.find(connection, owner, job_id)
        rows = connection.execute(told.order_by(events.c.seq.desc()).limit(_MOST_POINTS)).all()
    points = [MetricPoint(at=at, **data) for at, data in reversed(rows) if data.get("figures")]
    return JobMetrics(points=points)
