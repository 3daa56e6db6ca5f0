"""Pages of a list in a stable order: a cursor is the number of the last row that was shown."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request

Cursor = Annotated[
    str | None,
    Query(pattern=r"^[1-9][0-9]{0,17}$", description="`next` of the page before.", examples=["250"]),
]
Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page, at most.")]


def place(cursor: str | None) -> int | None:
    """The row number to go on from; None for the first page."""
    return None if cursor is None else int(cursor)


def link(request: Request, cursor: str | None) -> dict[str, str]:
    """The header that leads to the next page, if there is one.

    Relative: the request's Host, which anybody may choose, is no part of it.
    """
    if cursor is None:
        return {}
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{request.scope["path"]}?{urlencode([*query, ("cursor", cursor)])}>; rel="next"'}
