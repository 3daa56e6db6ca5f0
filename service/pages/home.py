"""The first page: drop a table; what is here already."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from service.datasets import rows as datasets
from service.jobs import rows as jobs
from service.pages.html import PageRoute, page
from service.pages.visitor import Visitor
from service.schemas.datasets import DatasetPublic
from service.schemas.jobs import JobPublic
from service.web.deps import GatewayDep

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SHOWN = 20


@router.get("/")
async def show_home(request: Request, visitor: Visitor, gateway: GatewayDep) -> Response:
    def work(connection: Connection) -> tuple[list[DatasetPublic], list[JobPublic]]:
        tables = datasets.page(connection, visitor.owner, None, None, _SHOWN)
        asked = jobs.page(connection, visitor.owner, None, _SHOWN, {})[:_SHOWN]
        return (
            [DatasetPublic.model_validate(row) for row in tables],
            [jobs.public(connection, gateway.places, row) for row in asked],
        )

    tables, asked = await gateway.database.aread(work)
    return page(request, "home.jinja", visitor=visitor, datasets=tables, jobs=asked)
