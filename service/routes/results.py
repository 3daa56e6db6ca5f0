"""What a job made, and what it printed."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from rnalearner.layout import RunLayout
from service.gateway import Gateway
from service.jobs import rows as jobs
from service.problems import ProblemError, problems
from service.routes.jobs import JobPath
from service.schemas.jobs import JobResults, ResultFile
from service.web.delivery import log_pieces, media_type, result_file, results
from service.web.deps import GatewayDep, Reader
from service.web.etags import NOT_MODIFIED, IfNoneMatch, matches

router = APIRouter(prefix="/v1", tags=["results"])

_BYTES: dict[str, Any] = {"*/*": {}}
"""Of whatever media type: no schema, since a JSON file is no string."""
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": _BYTES},
    206: {"description": "The part of it that the header Range names.", "content": _BYTES},
    **problems(416),
}
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "What it printed.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
_SAFE = {
    # A report may be opened from the browser's downloads, but runs nothing and loads nothing here.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}


@router.get("/jobs/{job_id}/results", responses=problems(404, 409, 410))
async def read_results(job_id: JobPath, caller: Reader, gateway: GatewayDep) -> JobResults:
    """Key figures and files of a job that has succeeded."""
    return await run_in_threadpool(_results, gateway, caller.owner, job_id)


@router.get(
    "/jobs/{job_id}/results/{path:path}",
    response_class=Response,
    responses=_FILE | NOT_MODIFIED | problems(404, 409, 410),
)
async def read_result(
    job_id: JobPath,
    path: Annotated[str, Path(max_length=1000, description="As the results list it.")],
    caller: Reader,
    gateway: GatewayDep,
    held: IfNoneMatch = None,
) -> Response:
    """One file, to be stored: its ETag is its sha256."""

    def find() -> tuple[Any, ResultFile]:
        made = _results(gateway, caller.owner, job_id)
        return result_file(gateway.settings.jobs / job_id, made, path)

    place, listed = await run_in_threadpool(find)
    headers = _SAFE | {"ETag": f'"{listed.sha256}"'}
    if matches(held, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return FileResponse(
        place,
        headers=headers,
        media_type=media_type(path),
        filename=place.name,
        content_disposition_type="attachment",
    )


@router.get("/jobs/{job_id}/logs", response_class=Response, responses=_TEXT | problems(404))
async def read_logs(
    job_id: JobPath,
    caller: Reader,
    gateway: GatewayDep,
    attempt: Annotated[int | None, Query(ge=1, le=10_000, description="Without it, the last one.")] = None,
    tail: Annotated[int | None, Query(ge=1, le=100_000, description="Only so many lines, the last.")] = None,
) -> Response:
    """What a job printed, as far as it has; of an attempt that never began, what the cluster knows."""
    return await run_in_threadpool(_logs, gateway, caller.owner, job_id, attempt, tail)


def _results(gateway: Gateway, owner: str, job_id: str) -> JobResults:
    with gateway.database.read() as connection:
        job = jobs.find(connection, owner, job_id)
    return results(gateway.settings.jobs / job_id, job)


def _logs(gateway: Gateway, owner: str, job_id: str, attempt: int | None, tail: int | None) -> Response:
    with gateway.database.read() as connection:
        job = jobs.find(connection, owner, job_id)
    number = attempt or job["attempt"]
    if number > job["attempt"]:
        what, remedy = "has not begun", f"ask for 1 to {job['attempt']}"
        raise ProblemError(404, "no-such-attempt", f"attempt {number} of {job_id}", what, remedy)
    pieces = log_pieces(RunLayout(gateway.settings.jobs / job_id).attempt(number), tail)
    headers = {"X-Content-Type-Options": "nosniff"}
    if pieces is not None:
        return StreamingResponse(pieces, media_type="text/plain", headers=headers)
    waits = number == job["attempt"] and job["submitted"] is None
    text = "" if waits else gateway.submitter.logs(f"{job_id}-{number}")
    lines = text.encode(errors="replace").splitlines(keepends=True)
    return Response(
        b"".join(lines if tail is None else lines[-tail:]), media_type="text/plain", headers=headers
    )
