"""Published models, to start from."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.concurrency import run_in_threadpool

from service.gateway import Gateway
from service.problems import missing, problems
from service.recipes.models import find_model, list_models
from service.schemas.jobs import ModelId
from service.schemas.models import ModelList, ModelPublic
from service.web.deps import GatewayDep, Reader

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models")
async def read_models(caller: Reader, gateway: GatewayDep) -> ModelList:
    """The operator's models, for all, and those that your own jobs made."""
    return await run_in_threadpool(_all, gateway, caller.owner)


@router.get("/models/{model_id}", responses=problems(404))
async def read_model(
    model_id: Annotated[ModelId, Path()], caller: Reader, gateway: GatewayDep
) -> ModelPublic:
    """One model with its card."""
    return await run_in_threadpool(_one, gateway, caller.owner, model_id)


def _all(gateway: Gateway, owner: str) -> ModelList:
    with gateway.database.read() as connection:
        models = list_models(connection, gateway.settings, owner)
    return ModelList(items=[ModelPublic.model_validate(model) for model in models])


def _one(gateway: Gateway, owner: str, model_id: str) -> ModelPublic:
    with gateway.database.read() as connection:
        model = find_model(connection, gateway.settings, owner, model_id)
    if model is None:
        raise missing("model", model_id)
    return ModelPublic.model_validate(model)
