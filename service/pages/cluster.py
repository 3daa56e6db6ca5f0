"""The cluster's machines, and the queue in front of it."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from rnalearner.errors import RnalearnerError
from service.gateway import Gateway
from service.jobs.queue import OPEN
from service.pages.html import PageRoute, page
from service.pages.visitor import Visitor
from service.schemas.base import Fault
from service.schemas.cluster import Node
from service.store.keys import Caller
from service.store.tables import jobs
from service.web.deps import GatewayDep

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SHOWN = 100


@router.get("/cluster")
async def show_cluster(request: Request, visitor: Visitor, gateway: GatewayDep) -> Response:
    context = await run_in_threadpool(_context, gateway, visitor)
    return page(request, "cluster.jinja", visitor=visitor, **context)


def _context(gateway: Gateway, visitor: Caller) -> dict[str, Any]:
    """Of other owners' jobs only their kind and place."""
    nodes: list[Node] = []
    fault = None
    try:
        nodes = [Node.model_validate(node) for node in gateway.submitter.nodes()]
    except RnalearnerError as error:
        fault = Fault(where=error.where, what=error.what, remedy=error.remedy)
    open_jobs = (
        select(jobs.c.id, jobs.c.owner, jobs.c.kind, jobs.c.label, jobs.c.status)
        .where(OPEN, jobs.c.deleted.is_(False))
        .order_by(jobs.c.number)
        .limit(_SHOWN)
    )
    with gateway.database.read() as connection:
        queue = [
            {
                "id": row.id if row.owner == visitor.owner else None,
                "kind": row.kind,
                "label": row.label if row.owner == visitor.owner else "",
                "status": row.status,
            }
            for row in connection.execute(open_jobs)
        ]
    return {"nodes": nodes, "fault": fault, "queue": queue, "at_once": gateway.settings.max_running}
