"""Jobs: ask, look, stop, run again."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, RowMapping
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor

from service.crash import reached
from service.gateway import Gateway
from service.jobs import rows as jobs
from service.problems import ProblemError, problems
from service.schemas.base import JobId
from service.schemas.job_examples import EXAMPLES
from service.schemas.jobs import NEEDS_TRAIN, JobCreate, JobKind, JobPage, JobPublic, JobStatus, Label
from service.store.database import now
from service.store.idempotency import IdempotencyKey, Reply, once
from service.web.cursors import Cursor, Limit, link, place
from service.web.deps import Caller, GatewayDep, Reader, Writer
from service.web.etags import NOT_MODIFIED, IfNoneMatch, tagged

router = APIRouter(prefix="/v1", tags=["jobs"])

JobPath = Annotated[JobId, Path()]


class _Word(StringConvertor):
    """A segment without what follows a colon: else `GET /jobs/x:cancel` would look for a job `x:cancel`."""

    regex = "[^/:]+"


register_url_convertor("word", _Word())
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Stored; it will be done.",
        "headers": {
            "Location": {"description": "Where to ask how it stands.", "schema": {"type": "string"}},
            "Retry-After": {"description": "Seconds until asking is worth it.", "schema": {"type": "string"}},
        },
    }
}


@router.post(
    "/jobs", status_code=202, response_model=JobPublic, responses=_ACCEPTED | problems(404, 409, 429)
)
async def submit_job(
    wanted: Annotated[JobCreate, Body(openapi_examples=EXAMPLES)],
    caller: Writer,
    gateway: GatewayDep,
    key: IdempotencyKey = None,
) -> Response:
    """Ask for a job: checked now, stored, and carried out in its turn.

    To classify a few labelled samples ask for `linear`, which takes a second and is the default answer: no
    encoder was shown to do better on so few. `finetune` learns encoders, and the linear model beside them;
    `predict` takes the job of either, and its `method` says who makes the call (`auto`: the linear model).
    """
    if wanted.kind in NEEDS_TRAIN and "train" not in caller.scopes:
        what, remedy = f"may not {wanted.kind}", "ask the operator for one with the scope train"
        raise ProblemError(403, "forbidden", "API key", what, remedy)

    def work(connection: Connection) -> RowMapping:
        return jobs.submit(connection, gateway.settings, caller.owner, wanted, now())

    request = f"POST /v1/jobs {wanted.model_dump_json()}"
    reply = await _accepted(gateway, caller, key, request, work)
    reached("job.committed")
    gateway.supervisor.wake()
    return reply


@router.post(
    "/jobs/{job_id}:cancel",
    status_code=202,
    response_model=JobPublic,
    responses=_ACCEPTED | problems(404, 409),
)
async def cancel_job(
    job_id: JobPath, caller: Writer, gateway: GatewayDep, key: IdempotencyKey = None
) -> Response:
    """Stop a job: at once while it waits, soon while it runs; one that is over answers how it ended."""

    def work(connection: Connection) -> RowMapping:
        return jobs.cancel(connection, caller.owner, job_id, now())

    reply = await _accepted(gateway, caller, key, f"POST /v1/jobs/{job_id}:cancel", work)
    reached("cancel.committed")
    gateway.bulletin.notify(job_id)
    gateway.supervisor.wake()
    return reply


@router.post(
    "/jobs/{job_id}:retry",
    status_code=202,
    response_model=JobPublic,
    responses=_ACCEPTED | problems(404, 409, 429),
)
async def retry_job(
    job_id: JobPath, caller: Writer, gateway: GatewayDep, key: IdempotencyKey = None
) -> Response:
    """Run a failed or stopped job again: what its last attempt completed is not done twice."""

    def work(connection: Connection) -> RowMapping:
        return jobs.retry(connection, gateway.settings, caller.owner, job_id, now())

    reply = await _accepted(gateway, caller, key, f"POST /v1/jobs/{job_id}:retry", work)
    reached("retry.committed")
    gateway.bulletin.notify(job_id)
    gateway.supervisor.wake()
    return reply


async def _accepted(
    gateway: Gateway, caller: Caller, key: str | None, request: str, work: Callable[[Connection], RowMapping]
) -> Response:
    """Do the work and keep its reply, in one transaction."""

    def answer(connection: Connection) -> Reply:
        job = jobs.public(connection, gateway.places, work(connection))
        return Reply(202, job.model_dump_json(), job.links.self)

    reply = await gateway.database.awrite(
        lambda connection: once(connection, caller.owner, key, request, now(), lambda: answer(connection))
    )
    return reply.response()


@router.get("/jobs", response_model=JobPage)
async def list_jobs(
    request: Request,
    caller: Reader,
    gateway: GatewayDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    status: JobStatus | None = None,
    kind: JobKind | None = None,
    label: Annotated[Label | None, Query()] = None,
) -> Response:
    """Your jobs, the newest first."""

    def work() -> JobPage:
        filters = {"status": status, "kind": kind, "label": label}
        with gateway.database.read() as connection:
            rows = jobs.page(connection, caller.owner, place(cursor), limit, filters)
            items = [jobs.public(connection, gateway.places, row) for row in rows[:limit]]
        return JobPage(items=items, next=str(rows[limit - 1]["number"]) if len(rows) > limit else None)

    shown = await run_in_threadpool(work)  # a long page would keep others waiting
    return Response(shown.model_dump_json(), headers=link(request, shown.next), media_type="application/json")


@router.get("/jobs/{job_id:word}", response_model=JobPublic, responses=NOT_MODIFIED | problems(404))
async def read_job(
    job_id: JobPath, caller: Reader, gateway: GatewayDep, held: IfNoneMatch = None
) -> Response:
    """How a job stands. Never waits for the cluster."""

    def work(connection: Connection) -> JobPublic:
        return jobs.public(connection, gateway.places, jobs.find(connection, caller.owner, job_id))

    job = await gateway.database.aread(work)
    return tagged(job.model_dump_json().encode(), held)
