"""Who looks at a page: the session that its cookie carries."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse

from service.store.keys import Caller
from service.web.deps import admitted, whose
from service.web.session import session_of

_SIGN_IN = "/sign-in"


class SignedOutError(Exception):
    """Nobody has signed in, or not lately."""


async def _visitor(request: Request) -> Caller:
    caller = await whose(request, session_of(request))
    if caller is None:
        raise SignedOutError
    return admitted(request, caller, "read")


Visitor = Annotated[Caller, Depends(_visitor)]


def sign_in_first(request: Request) -> RedirectResponse:
    """To the door, and back afterwards; a part of a page that is asked for takes its whole page along."""
    if request.headers.get("hx-request") == "true":
        return RedirectResponse(_SIGN_IN, 200, headers={"HX-Refresh": "true"})
    query = request.scope["query_string"].decode("latin-1")
    back = request.scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"{_SIGN_IN}?next={quote(back)}" if back != "/" else _SIGN_IN, 303)


def local_path(asked: str) -> str:
    """Where to go after signing in: a path of this gateway, whatever was asked for."""
    plain = asked.startswith("/") and not asked.startswith(("//", "/\\"))
    return asked if plain and asked.isprintable() else "/"
