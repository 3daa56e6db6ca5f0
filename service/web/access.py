"""Around every request: its id, its size, what is counted and logged, and a last word for faults."""

import json
import logging
import re
import time
import uuid
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import ProblemError, as_problem, problem_response

MAX_BODY = 1 << 20
"""Bytes of a request's body, uploads excepted: those have a limit of their own."""
MAX_HEADERS = 1 << 15
"""Bytes of all header fields."""
MOST_HEADERS = 100
MAX_TARGET = 1 << 13
"""Bytes of path and query, each."""
_UPLOADS = "/v1/datasets"
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CLOSE = {"Connection": "close"}
_HOST_PORT = re.compile(r":[0-9]*$")
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)

_log = logging.getLogger("rnalearner.access")


class Access:
    """Pure ASGI, since every request pays for it. Labels are route templates: ids would never end."""

    def __init__(
        self, app: ASGIApp, registry: CollectorRegistry, hosts: frozenset[str] = frozenset()
    ) -> None:
        self.app, self._hosts = app, hosts
        labels = ("method", "path", "status")
        self._requests = Counter("rnalearner_requests", "Answered requests", labels, registry=registry)
        self._seconds = Histogram(
            "rnalearner_request_seconds",
            "Time until the last byte of the answer",
            ("method", "path"),
            registry=registry,
            buckets=_BUCKETS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
        status, replaced = 0, False

        async def send_named(message: Message) -> None:
            nonlocal status, replaced
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                if status >= 400 and headers.get("content-type", "").startswith("text/plain"):
                    replaced = True  # Starlette's own words, about a Range for example
                    await _in_our_words(scope, status, headers)(scope, receive, send)
            if not replaced:
                await send(message)

        try:
            await self._limited(scope, receive, send_named)
        except Exception as error:  # what no handler foresaw; with half an answer sent, only the log has it
            problem = as_problem(error)
            if status:
                raise
            await problem_response(scope["path"], problem)(scope, receive, send_named)
        finally:
            self._note(scope, status, time.perf_counter() - begun, request_id)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_head(scope, self._hosts)
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            what, remedy = "its path or query holds a NUL", "send text without it"
            raise ProblemError(422, "invalid-request", "request", what, remedy)
        if scope["path"].startswith(_UPLOADS):
            await self.app(scope, receive, send)
            return
        if _declared(scope["headers"]) > MAX_BODY:
            raise HTTPException(413)
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > MAX_BODY:
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        # The router leaves what it matched; nothing for a path that is not ours.
        route = scope.get("route")
        path = getattr(route, "path", None) or "(none)"
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(method, path).observe(seconds)
        if _log.isEnabledFor(logging.INFO):
            _log.info(
                json.dumps(
                    {
                        "at": round(time.time(), 3),
                        "request": request_id,
                        "method": method,
                        "path": scope["path"][:500],  # never the query or a header: keys get lost there
                        "route": path,
                        "status": status,
                        "ms": round(seconds * 1000, 2),
                    }
                )
            )


def check_head(scope: Scope, hosts: frozenset[str]) -> None:
    """Raises ProblemError: 414 for its target, 431 for its header fields, 400 for its Host.

    Nothing here is built from Host; but it says whom the client takes this gateway for. `hosts` are the
    names that it may have; with none, all.
    """
    if len(scope["path"]) > MAX_TARGET or len(scope["query_string"]) > MAX_TARGET:
        what = f"has a path or query of more than {MAX_TARGET >> 10} KiB"
        raise ProblemError(414, "target-too-long", "request", what, "send a shorter one", headers=_CLOSE)
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADERS:
        what = f"has more than {MOST_HEADERS} header fields, or {MAX_HEADERS >> 10} KiB of them"
        remedy = "send fewer or shorter ones"
        raise ProblemError(431, "head-too-large", "request", what, remedy, headers=_CLOSE)
    named = [value for name, value in headers if name == b"host"]
    if len(named) != 1 and (named or scope["http_version"] == "1.1"):
        what = "is there more than once" if named else "is missing"
        remedy = "name this gateway in it, once"
        raise ProblemError(400, "bad-host", "header Host", what, remedy, headers=_CLOSE)
    if hosts and named and _HOST_PORT.sub("", named[0].decode("latin-1")).lower() not in hosts:
        what, remedy = "is no name of this gateway", "use its own, or ask its operator about allowed_hosts"
        raise ProblemError(400, "bad-host", "header Host", what, remedy, headers=_CLOSE)


def _in_our_words(scope: Scope, status: int, headers: MutableHeaders) -> Response:
    kept = {name: value for name, value in headers.items() if name not in ("content-length", "content-type")}
    return problem_response(scope["path"], as_problem(HTTPException(status, headers=kept)))


def _declared(headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Content-Length, 0 without one; servers have refused one that is no number."""
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), 0)
