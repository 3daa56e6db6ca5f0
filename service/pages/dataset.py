"""One dataset: what was read, what it looks like, what is wrong with it, and what can be asked of it."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from service.datasets import rows as datasets
from service.gateway import Gateway
from service.jobs import rows as jobs
from service.jobs.forecast import queue_now, usual_seconds
from service.pages import charts
from service.pages.html import PageRoute, page
from service.pages.visitor import Visitor
from service.recipes.advice import recommended
from service.recipes.groups import learnable
from service.recipes.models import Model, list_models
from service.routes.datasets import DatasetId
from service.schemas.datasets import DatasetPublic, DatasetReport
from service.schemas.jobs import JobKind
from service.schemas.looks import DatasetLook
from service.store.database import now
from service.store.keys import Caller
from service.web.deps import GatewayDep

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_MOST_VIEWS, _OTHERS = 12, 200


@router.get("/datasets/{dataset_id}")
async def show_dataset(
    request: Request,
    dataset_id: DatasetId,
    visitor: Visitor,
    gateway: GatewayDep,
    column: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """`column`: the one whose values are the groups, where it is not the one that looks like them."""
    context = await run_in_threadpool(_context, gateway, visitor, dataset_id, column)
    return page(request, "dataset.jinja", visitor=visitor, **context)


def _context(gateway: Gateway, visitor: Caller, dataset_id: str, asked: str | None) -> dict[str, Any]:
    with gateway.database.read() as connection:
        row = datasets.get(connection, visitor.owner, dataset_id)
        dataset, look = DatasetPublic.model_validate(row), datasets.look_of(gateway.settings, row)
        found: dict[str, Any] = {"dataset": dataset, "look": look, "charts": [], "ask": None}
        if look is not None:
            found["charts"] = shown(look, dataset.report)
        if dataset.state == "READY" and dataset.report is not None:
            found["ask"] = _ask(connection, gateway, visitor, dataset, dataset.report, asked)
    return found


def shown(look: DatasetLook, report: DatasetReport | None) -> list[charts.Chart]:
    """Library sizes, principal components in every grouping, correlations."""
    drawn = [charts.library_sizes(look.samples, look.totals)]
    if look.components and look.components[0]:
        drawn.append(charts.components(look.samples, look.components, look.explained, views(look, report)))
    if look.correlation is not None:
        drawn.append(charts.correlation(look.samples, look.correlation))
    return drawn


def views(look: DatasetLook, report: DatasetReport | None) -> dict[str, list[str]]:
    """What the samples may be coloured by: the groups, the suspected batch, then whatever else is known."""
    known: dict[str, list[str]] = {}
    if look.sheet is not None:
        for place, name in enumerate(look.sheet.columns):
            known[name] = [row[place] for row in look.sheet.cells]
    known |= {grouping.name: grouping.values for grouping in look.groupings if grouping.name not in known}
    first = [report.label_column if report is not None else None, look.batch]
    order = [name for name in first if name in known]
    order += [name for name in known if name not in order and 1 < len(set(known[name])) < len(look.samples)]
    batch = look.batch
    return {
        f"{name} (suspected batch)" if name == batch else name: known[name] for name in order[:_MOST_VIEWS]
    }


def _ask(
    connection: Connection,
    gateway: Gateway,
    visitor: Caller,
    dataset: DatasetPublic,
    report: DatasetReport,
    asked: str | None,
) -> dict[str, Any]:
    """What the form offers: columns with groups, models, other datasets, and how long it will take."""
    columns = [column for column in report.columns if len(learnable(column)) >= 2]
    names = [column.name for column in columns]
    name = asked if asked in names else report.label_column
    column = next((each for each in columns if each.name == name), None)
    kinds: tuple[JobKind, ...] = ("linear", "finetune", "tune")
    models = list_models(connection, gateway.settings, visitor.owner)
    others = datasets.page(connection, visitor.owner, "READY", None, _OTHERS)
    learned = [
        row
        for kind in ("linear", "finetune")
        for row in jobs.page(connection, visitor.owner, None, _OTHERS, {"kind": kind, "status": "SUCCEEDED"})
    ]
    groups = learnable(column) if column is not None else {}
    return {
        "columns": names,
        "column": column,
        "groups": groups,
        "models": [offered(model, report) for model in models],
        "classifiers": [jobs.public(connection, gateway.places, row) for row in learned],
        "others": [row for row in others if row["id"] != dataset.id],
        "advice": _advice(min(groups.values()), models) if groups else None,
        "usual": {kind: usual_seconds(connection, kind) for kind in kinds},
        "queue": queue_now(connection, now()),
        "may_write": "write" in visitor.scopes,
        "token": secrets.token_hex(16),
    }


def offered(model: Model, report: DatasetReport) -> dict[str, Any]:
    """A model as the form shows it; `measured` is the share of its genes that the table has."""
    return {
        "id": model.id,
        "name": model.name,
        "has_guide": model.has_guide,
        "has_gene_guide": model.has_gene_guide,
        "measured": report.models.get(model.id),
    }


def _advice(smallest: int, models: Sequence[Model]) -> str:
    return recommended(
        smallest, any(model.has_gene_guide for model in models), any(model.has_guide for model in models)
    )
