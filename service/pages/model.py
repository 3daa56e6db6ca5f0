"""Published models with their cards, and what their guides say, by layer and by gene."""

import csv
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from rnalearner.layout import PublishedModel
from service.gateway import Gateway
from service.pages import charts
from service.pages.html import PageRoute, page
from service.pages.visitor import Visitor
from service.problems import missing
from service.recipes.models import find_model, list_models
from service.schemas.jobs import ModelId
from service.store.keys import Caller
from service.web.deps import GatewayDep

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_MOST_GENES, _DRAWN = 200, 30


@router.get("/models")
async def show_models(request: Request, visitor: Visitor, gateway: GatewayDep) -> Response:
    def work(connection: Connection) -> list[Any]:
        return list_models(connection, gateway.settings, visitor.owner)

    found = await gateway.database.aread(work)
    return page(request, "models.jinja", visitor=visitor, models=found)


@router.get("/models/{model_id}")
async def show_model(
    request: Request,
    model_id: Annotated[ModelId, InPath()],
    visitor: Visitor,
    gateway: GatewayDep,
    gene: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """Its card; its guides by layer and by gene, those that `gene` names where it is given."""
    context = await run_in_threadpool(_context, gateway, visitor, model_id, gene.strip())
    return page(request, "model.jinja", visitor=visitor, gene=gene.strip(), **context)


def _context(gateway: Gateway, visitor: Caller, model_id: str, gene: str) -> dict[str, Any]:
    with gateway.database.read() as connection:
        model = find_model(connection, gateway.settings, visitor.owner, model_id)
    if model is None:
        raise missing("model", model_id)
    folder = PublishedModel(model.folder)
    layers, genes = table(folder.guide_table("layers")), table(folder.gene_guide_table)
    encoder_genes = table(folder.guide_table("genes"))
    return {
        "model": model,
        "layers": layers,
        "layer_chart": _by_layer(layers),
        "genes": chosen(genes, gene),
        "n_genes": len(genes),
        "gene_chart": _by_gene(genes),
        "encoder_genes": chosen(encoder_genes, gene),
    }


def table(path: Path) -> list[dict[str, str]]:
    """Rows of one of the model's own tables; none where it has none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def chosen(genes: list[dict[str, str]], asked: str) -> list[dict[str, str]]:
    """The first ones, or those whose id or symbol begins as asked, in any case."""
    word = asked.casefold()
    found = (
        row
        for row in genes
        if any(row.get(name, "").casefold().startswith(word) for name in ("gene", "symbol"))
    )
    return [row for row, _ in zip(found, range(_MOST_GENES), strict=False)]


def _by_layer(layers: list[dict[str, str]]) -> charts.Chart | None:
    if not layers:
        return None
    rows = [(row["layer"], float(row["share"])) for row in layers]
    return charts.bars("Which layers moved", rows, "share of all movement")


def _by_gene(genes: list[dict[str, str]]) -> charts.Chart | None:
    if not genes:
        return None
    rows = [(row.get("symbol") or row["gene"], float(row["guide"])) for row in genes[:_DRAWN]]
    return charts.bars(f"The {len(rows)} genes that the guide trusts most", rows, "guide")
