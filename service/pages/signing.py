"""In and out: a key is given once, and the browser keeps a session instead of it."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from service.gateway import Gateway
from service.pages.html import PageRoute, page, see
from service.pages.visitor import local_path
from service.problems import ProblemError
from service.store.keys import create_session, end_session
from service.web.deps import GatewayDep, whose
from service.web.session import COOKIE, drop_session, is_own, keep_session

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_Next = Annotated[str, Query(max_length=2000)]


@router.get("/sign-in")
async def show_door(request: Request, next: _Next = "/") -> Response:
    return page(request, "sign_in.jinja", next=local_path(next), fault=None)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    gateway: GatewayDep,
    key: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Keep a session of this key in the browser's cookie; a session itself makes no other one."""
    _check_own(request)
    key = key.strip()
    caller = await whose(request, key)
    rates = request.app.state.rates
    if caller is None or f"_{caller.key_id}_" not in key:
        if request.client is not None:
            rates.bad_key(request.client.host)
        what = "is missing" if not key else "is unknown, expired or revoked"
        fault = {"where": "API key", "what": what, "remedy": "paste it whole: rnal_, and two parts behind it"}
        return page(request, "sign_in.jinja", 401, next=local_path(next), fault=fault)
    rates.request(caller.key_id, "POST")
    session = await gateway.database.awrite(lambda connection: create_session(connection, caller))
    answer = see(local_path(next))
    keep_session(answer, session, secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, gateway: GatewayDep) -> Response:
    _check_own(request)
    await _forget(request, gateway)
    answer = see("/sign-in")
    drop_session(answer)
    return answer


async def _forget(request: Request, gateway: Gateway) -> None:
    session = request.cookies.get(COOKIE, "")
    caller = await whose(request, session)
    await gateway.database.awrite(lambda connection: end_session(connection, session))
    if caller is not None:
        gateway.keys.forget(caller.key_id)


def _check_own(request: Request) -> None:
    if not is_own(request):
        what, remedy = "was sent by a page of another site", "open this gateway's own page"
        raise ProblemError(403, "foreign-page", "form", what, remedy)
