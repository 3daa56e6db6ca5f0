"""Answers that need not be sent again: ETag and If-None-Match."""

from hashlib import blake2b
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import Response

IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="An ETag that you hold: 304 if it still holds.")
]
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "Your copy is still right."}}


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller holds this version; weak and strong tags count alike."""
    if if_none_match is None:
        return False
    held = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in held or "*" in held


def tagged(body: bytes, if_none_match: str | None) -> Response:
    """JSON with an ETag of its content, or 304 where the caller has it."""
    headers = {"ETag": f'"{blake2b(body, digest_size=12).hexdigest()}"', "Cache-Control": "private, no-cache"}
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
