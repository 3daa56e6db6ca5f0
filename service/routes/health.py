"""Whether the process lives, whether it is ready, and its figures. None waits on Ray, none takes a key."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool

from service.problems import ProblemError, problems
from service.schemas.base import Health
from service.web.deps import GatewayDep
from service.web.health import faults

router = APIRouter(tags=["health"])
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}, "description": "Figures"}
}


@router.get("/healthz")
async def read_health() -> Health:
    """The process lives."""
    return Health(status="ok")


@router.get("/readyz", responses=problems(503))
async def read_readiness(gateway: GatewayDep) -> Health:
    """The database can be written, the disk has room, the cluster answers and refuses strangers."""
    found = await run_in_threadpool(faults, gateway)
    if found:
        what, remedy = "is not ready", "see errors"
        raise ProblemError(503, "not-ready", "gateway", what, remedy, found, {"Retry-After": "5"})
    return Health(status="ok")


@router.get("/metrics", response_class=Response, responses=_TEXT)
def read_metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
