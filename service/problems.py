"""Every error as application/problem+json (RFC 9457): one sentence with a remedy."""

import errno
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from rnalearner.errors import ClusterError, InputError, RnalearnerError
from service.schemas.base import Fault, Problem

MEDIA_TYPE = "application/problem+json"

_MOST_FAULTS = 20
_log = logging.getLogger("rnalearner.gateway")

_DOCS = "see the API's description at /docs"
_BY_STATUS = {
    400: ("malformed-request", "could not be read", "send what the API's description at /docs says"),
    404: ("not-found", "nothing is at this path", _DOCS),
    405: ("method-not-allowed", "this path does not take that method", "see the header Allow"),
    413: ("too-large", "its body is larger than what this path takes", "send less"),
    416: ("no-such-range", "the file has no such part", "see the header Content-Range"),
}


class ProblemError(Exception):
    """Raised anywhere below a route; becomes the answer.

    `name` ends the type `urn:rnalearner:<name>`; where, what and remedy make its sentence.
    """

    def __init__(
        self,
        status: int,
        name: str,
        where: object,
        what: str,
        remedy: str,
        errors: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, name, str(where), what, remedy)
        self.status, self.name, self.headers = status, name, headers
        self.fault = Fault(where=str(where), what=what, remedy=remedy)
        self.errors = list(errors)


def missing(kind: str, name: str) -> ProblemError:
    """404, the same for what is not there and for what belongs to somebody else."""
    return ProblemError(404, f"no-such-{kind}", f"{kind} {name}", "does not exist", f"list your {kind}s")


def still_validating(dataset: str) -> ProblemError:
    """409: its report is not there yet."""
    what, remedy = "is still being validated", "ask again soon"
    where, soon = f"dataset {dataset}", {"Retry-After": "2"}
    return ProblemError(409, "dataset-not-ready", where, what, remedy, headers=soon)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these statuses answer with a problem."""
    return {
        status: _DOCUMENTED
        | {"description": HTTPStatus(status).phrase}
        | ({"headers": _RATE_LIMIT} if status == 429 else {})
        for status in statuses
    }


_DOCUMENTED: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


_RATE_LIMIT = {
    name: {"description": text, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
    for name, text in {
        "Retry-After": "Seconds until there is room.",
        "RateLimit-Limit": "Requests a minute, where it was their number.",
        "RateLimit-Remaining": "Those that are left: 0.",
        "RateLimit-Reset": "Seconds until there is another.",
    }.items()
}


def problem_response(path: str, error: ProblemError) -> Response:
    """The answer itself, for the request's `path`."""
    fault = error.fault
    body = Problem(
        type=f"urn:rnalearner:{error.name}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=f"{fault.where}: {fault.what}; {fault.remedy}.",
        instance=path,
        errors=error.errors,
    )
    return Response(
        body.model_dump_json(), error.status, headers=dict(error.headers or {}), media_type=MEDIA_TYPE
    )


def as_problem(error: Exception) -> ProblemError:
    """What an exception means to the caller; one that nobody foresaw is logged, and a 500."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        unnamed = ("refused", str(error.detail), _DOCS)
        name, what, remedy = _BY_STATUS.get(error.status_code, unnamed)
        return ProblemError(error.status_code, name, "request", what, remedy, headers=error.headers)
    if isinstance(error, InputError):
        return ProblemError(422, "bad-input", error.where, error.what, error.remedy)
    if isinstance(error, ClusterError):
        retry = {"Retry-After": "10"}
        return ProblemError(503, "cluster-unavailable", error.where, error.what, error.remedy, headers=retry)
    _log.error("unforeseen", exc_info=error)
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return _database(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _DISK_FULL
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EIO):
        what, remedy = "takes no writes", "wait until its operator has mended it"
        return ProblemError(503, "disk-read-only", "the gateway's disk", what, remedy, headers=_RETRY)
    return ProblemError(
        500, "internal", "the gateway", "met a fault of its own", "give its operator the X-Request-Id"
    )


_RETRY = {"Retry-After": "30"}
_DISK_FULL = ProblemError(
    507, "disk-full", "the gateway's disk", "is full", "wait until its operator made room"
)


def _database(error: Exception) -> ProblemError:
    if "disk is full" in str(error):
        return _DISK_FULL
    remedy, retry = "try again soon", {"Retry-After": "5"}
    return ProblemError(503, "database-unavailable", "the database", "did not answer", remedy, headers=retry)


def _invalid(error: RequestValidationError) -> ProblemError:
    """Each fault with its place; never the value, which may be secret, huge or no valid text."""
    faults = [
        Fault(
            where=".".join(_text(part) for part in fault["loc"]),
            what=_text(fault["msg"].removeprefix("Value error, ")),
            remedy=_DOCS,
        )
        for fault in error.errors()[:_MOST_FAULTS]
    ]
    first = faults[0]
    return ProblemError(422, "invalid-request", first.where, first.what, first.remedy, faults)


def _text(value: object) -> str:
    """Whatever the caller sent as a name: short, and valid UTF-8."""
    return str(value)[:200].encode(errors="replace").decode()


def _methods(request: Request) -> list[str]:
    """All that the path takes; Starlette names those of the first route that has it."""
    methods = ("GET", "HEAD", "POST", "PUT", "DELETE")
    return [
        method
        for method in methods
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def install(app: FastAPI) -> None:
    """Let the app answer every foreseen exception so; `access` answers the others."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        if problem.status == 405:
            problem.headers = {"Allow": ", ".join(_methods(request))}
        return problem_response(request.scope["path"], problem)

    for kind in (ProblemError, RnalearnerError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)
