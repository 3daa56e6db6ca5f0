"""A browser's session: a cookie that stands for the header with a key, and only on pages of this gateway."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

COOKIE = "rnalearner"
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})


def session_of(request: HTTPConnection) -> str:
    """The session that the request carries, "" for none.

    One that changes something counts only where it comes from a page of this gateway: any other page may
    make a browser send it, cookie and all. Browsers say where from, in Sec-Fetch-Site or else in Origin.
    """
    session = request.cookies.get(COOKIE, "")
    return session if request.scope["method"] in _LOOKS or is_own(request) else ""


def is_own(request: HTTPConnection) -> bool:
    """Whether a browser says that a page of this gateway asks."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", ""))
    return bool(origin.netloc) and origin.netloc == request.headers.get("host")


def keep_session(answer: Response, session: str, secure: bool) -> None:
    """Out of reach for scripts, and not sent along from other sites; gone with the browser's window."""
    answer.set_cookie(COOKIE, session, httponly=True, samesite="lax", secure=secure, path="/")


def drop_session(answer: Response) -> None:
    answer.delete_cookie(COOKIE, path="/")
