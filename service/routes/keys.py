"""Keys, for the scope admin; and who I am, for all."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from starlette.concurrency import run_in_threadpool

from service.problems import ProblemError, missing, problems
from service.schemas.keys import KeyCreate, KeyCreated, KeyId, KeyList, KeyPublic, Me
from service.store.keys import create_key, list_keys, revoke_key
from service.web.deps import Admin, GatewayDep, Reader

router = APIRouter(prefix="/v1", tags=["keys"])


@router.get("/me")
async def read_me(caller: Reader) -> Me:
    """Who this key acts for, and what it may."""
    return Me(owner=caller.owner, scopes=sorted(caller.scopes), key=caller.key_id)


@router.post("/keys", status_code=201)
async def make_key(wanted: KeyCreate, _caller: Admin, gateway: GatewayDep, response: Response) -> KeyCreated:
    """Make a key; the answer is the only time that it is shown."""
    row, key = await gateway.database.awrite(
        lambda connection: create_key(connection, wanted.owner, wanted.name, wanted.scopes, wanted.days)
    )
    response.headers["Cache-Control"] = "no-store"
    return KeyCreated(**row, key=key)


@router.get("/keys")
async def read_keys(
    _caller: Admin,
    gateway: GatewayDep,
    cursor: Annotated[KeyId | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> KeyList:
    """All keys, revoked ones too, the newest first; never the keys themselves."""
    rows = await gateway.database.aread(lambda connection: list_keys(connection, cursor, limit))
    items = [KeyPublic.model_validate(row) for row in rows]
    return KeyList(items=items, next=items[-1].id if len(items) == limit else None)


@router.delete("/keys/{key_id}", status_code=204, responses=problems(404, 409))
async def remove_key(key_id: Annotated[KeyId, Path()], caller: Admin, gateway: GatewayDep) -> None:
    """Revoke a key: it opens nothing from now on."""
    if key_id == caller.key_id:
        raise ProblemError(
            409, "key-in-use", f"key {key_id}", "is the one that asks", "revoke it with another"
        )
    if not await gateway.database.awrite(lambda connection: revoke_key(connection, key_id)):
        raise missing("key", key_id)
    await run_in_threadpool(gateway.keys.forget, key_id)
