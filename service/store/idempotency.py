"""A request that is sent again with the same Idempotency-Key does nothing again: it gets its reply again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header
from fastapi.responses import Response
from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from service.problems import ProblemError
from service.store.tables import idempotency

KEPT_S = 48 * 3600.0
"""At least a day is promised."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="Of your own making. The same request with the same key, within a day, is not "
        "carried out again: it gets the same reply.",
        examples=["3f0c9a52-upload-7"],
    ),
]

_KNOWN = select(idempotency).where(
    idempotency.c.owner == bindparam("owner"), idempotency.c.key == bindparam("key")
)


@dataclass(frozen=True)
class Reply:
    """What was answered; stored as it was sent."""

    status: int
    body: str
    location: str | None = None

    def response(self) -> Response:
        headers = {"Retry-After": "1"} | ({} if self.location is None else {"Location": self.location})
        return Response(self.body, self.status, headers, media_type="application/json")


def once(
    connection: Connection, owner: str, key: str | None, request: str, now: float, work: Callable[[], Reply]
) -> Reply:
    """`work()` the first time that `owner` uses `key`, its reply ever after; without a key, always.

    In one transaction with the work, so that both are done or neither. `request` is method, path and
    body: with another one under the same key a ProblemError 422 is raised, and 409 where the same key
    is in use at this moment. A refusal is not stored: the key may be used again.
    """
    if key is None:
        return work()
    digest = hashlib.sha256(request.encode()).hexdigest()
    known = connection.execute(_KNOWN, {"owner": owner, "key": key}).mappings().first()
    if known is not None:
        if known["request_sha256"] != digest:
            what, remedy = "was used for another request", "take a new key for a new request"
            raise ProblemError(422, "idempotency-key-reused", "header Idempotency-Key", what, remedy)
        return Reply(known["status"], known["body"], known["location"])
    reply = work()
    row = {"owner": owner, "key": key, "request_sha256": digest, "created": now, **vars(reply)}
    try:
        connection.execute(insert(idempotency), row)
    except IntegrityError:
        what, remedy = "is in use by a request that has not ended", "ask again in a moment"
        raise ProblemError(
            409, "request-in-flight", "header Idempotency-Key", what, remedy, headers={"Retry-After": "1"}
        ) from None
    return reply


def sweep(connection: Connection, now: float) -> int:
    """Forget the replies that have been kept long enough; returns how many."""
    old = delete(idempotency).where(idempotency.c.created < now - KEPT_S)
    return connection.execute(old).rowcount
