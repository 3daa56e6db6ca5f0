"""The cluster itself: the one question that is passed on to it."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from service.problems import problems
from service.schemas.cluster import ClusterPublic, Node
from service.web.deps import GatewayDep, Reader

router = APIRouter(prefix="/v1", tags=["cluster"])


@router.get("/cluster", responses=problems(503))
async def read_cluster(_caller: Reader, gateway: GatewayDep) -> ClusterPublic:
    """Its machines; 503 where it does not answer, while everything else does."""
    nodes = await run_in_threadpool(gateway.submitter.nodes)
    return ClusterPublic(nodes=[Node.model_validate(node) for node in nodes])
