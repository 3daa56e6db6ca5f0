"""The API's description, for people; it needs no key, as /openapi.json does not."""

from fastapi import APIRouter, Request, Response

from service.pages.html import PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/docs")
async def show_docs(request: Request) -> Response:
    return page(request, "docs.jinja")
