"""What a route asks for in its signature: the gateway, and who calls."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from service.gateway import Gateway
from service.problems import ProblemError
from service.store.keys import Caller
from service.web.session import session_of

__all__ = ["Admin", "Caller", "GatewayDep", "Reader", "Trainer", "Writer", "admitted", "whose"]

_bearer = HTTPBearer(
    scheme_name="key", bearerFormat="rnal_<id>_<secret>", description="An API key.", auto_error=False
)


async def _gateway(request: Request) -> Gateway:  # async: FastAPI would call others in a thread
    gateway: Gateway = request.app.state.gateway
    return gateway


GatewayDep = Annotated[Gateway, Depends(_gateway)]


async def whose(request: Request, key: str) -> Caller | None:
    """Whoever this key, or session, belongs to; None where it opens nothing."""
    ring = request.app.state.gateway.keys
    caller: Caller | None = ring.remembered(key) or await run_in_threadpool(ring.look_up, key)
    return caller


def admitted(request: Request, caller: Caller, scope: str) -> Caller:
    """The caller, if not too busy (else 429) and with this scope (else 403)."""
    request.app.state.rates.request(caller.key_id, request.method)
    if scope not in caller.scopes:
        what, remedy = f"lacks the scope {scope}", "ask the operator for a key that has it"
        raise ProblemError(403, "forbidden", "API key", what, remedy)
    return caller


class _Needs:
    """The caller, if the key is good (else 401), not too busy (else 429) and has the scope (else 403)."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        key = session_of(request) if credentials is None else credentials.credentials
        caller = await whose(request, key)
        if caller is None:
            if request.client is not None:
                request.app.state.rates.bad_key(request.client.host)
            what = "is unknown, expired or revoked" if key else "is missing"
            challenge = {"WWW-Authenticate": 'Bearer realm="rnalearner"'}
            remedy = "send `Authorization: Bearer rnal_...`"
            raise ProblemError(401, "unauthorised", "API key", what, remedy, headers=challenge)
        return admitted(request, caller, self.scope)


Reader = Annotated[Caller, Depends(_Needs("read"))]
Writer = Annotated[Caller, Depends(_Needs("write"))]
Trainer = Annotated[Caller, Depends(_Needs("train"))]
Admin = Annotated[Caller, Depends(_Needs("admin"))]
