"""Jobs: the list, one while it runs and afterwards, several side by side."""

import csv
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from rnalearner.layout import PublishedModel, RunLayout
from service.gateway import Gateway
from service.jobs import rows as jobs
from service.jobs.forecast import usual_seconds
from service.pages import charts
from service.pages.answers import answers_of, name_genes, score_charts
from service.pages.html import PageRoute, page
from service.pages.model import table
from service.pages.visitor import Visitor
from service.pages.words import NONE
from service.problems import ProblemError
from service.recipes.models import find_model
from service.routes.events import metrics_of
from service.routes.jobs import JobPath
from service.schemas.base import JobId
from service.schemas.jobs import TERMINAL, JobPublic, JobResults, JobStatus
from service.store.keys import Caller
from service.web.cursors import Cursor, place
from service.web.delivery import log_pieces, results
from service.web.deps import GatewayDep

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_LIST, _MOST_COMPARED, _LOG_LINES = 50, 6, 40
_NO_SETTINGS = frozenset({"trial", "loss", "accuracy", "status", "seconds", "epochs_run"})
"""Columns of a search's table that were not chosen."""
_DRAWN_HERE = "accuracy.svg"
"""The page has the same as a chart, with the AUROC beside it."""


@router.get("/jobs")
async def show_jobs(
    request: Request,
    visitor: Visitor,
    gateway: GatewayDep,
    cursor: Cursor = None,
    status: JobStatus | None = None,
) -> Response:
    """The newest first; two or more can be ticked and compared."""

    def work(connection: Connection) -> tuple[list[JobPublic], int | None]:
        rows = jobs.page(connection, visitor.owner, place(cursor), _LIST, {"status": status})
        more = rows[_LIST - 1]["number"] if len(rows) > _LIST else None
        return [jobs.public(connection, gateway.places, row) for row in rows[:_LIST]], more

    asked, more = await gateway.database.aread(work)
    return page(request, "jobs.jinja", visitor=visitor, jobs=asked, status=status, more=more)


@router.get("/jobs/{job_id}")
async def show_job(request: Request, job_id: JobPath, visitor: Visitor, gateway: GatewayDep) -> Response:
    """While it runs the page asks for itself again and again; nothing is lost when it is closed."""
    context = await run_in_threadpool(_context, gateway, visitor, job_id)
    return page(request, "job.jinja", visitor=visitor, **context)


@router.get("/compare")
async def compare_jobs(
    request: Request,
    visitor: Visitor,
    gateway: GatewayDep,
    job: Annotated[list[JobId], Query(max_length=_MOST_COMPARED)],
) -> Response:
    """What differed between these jobs, and what came of it."""
    chosen = list(dict.fromkeys(job))
    context = await run_in_threadpool(_compared, gateway, visitor, chosen)
    return page(request, "compare.jinja", visitor=visitor, **context)


def _context(gateway: Gateway, visitor: Caller, job_id: str) -> dict[str, Any]:
    with gateway.database.read() as connection:
        job = jobs.public(connection, gateway.places, jobs.find(connection, visitor.owner, job_id))
        usual = usual_seconds(connection, job.kind) if job.status == "PENDING" else None
    folder = gateway.settings.jobs / job_id
    log = log_pieces(RunLayout(folder).attempt(job.attempt), _LOG_LINES)
    context: dict[str, Any] = {
        "job": job,
        "over": job.status in TERMINAL,
        "usual": usual,
        "curves": charts.curves(
            [point.model_dump() for point in metrics_of(gateway, visitor.owner, job_id).points]
        ),
        "log": b"".join(log).decode(errors="replace") if log is not None else "",
        "results": None,
        "answers": None,
        "accuracy": None,
        "auroc": None,
        "gone": None,
        "figures": [],
        "trials": None,
        "model": job.id if job.kind in ("pretrain", "scout") and job.status == "SUCCEEDED" else None,
        "may_write": "write" in visitor.scopes,
    }
    if job.status == "SUCCEEDED":
        context |= _made(gateway, visitor, job)
    return context


def _made(gateway: Gateway, visitor: Caller, job: JobPublic) -> dict[str, Any]:
    """What a finished job shows of its files; those that are gone are said to be."""
    run = RunLayout(gateway.settings.jobs / job.id)
    try:
        made = _results(run, job)
    except ProblemError as problem:
        return {"gone": problem.fault}
    told = answers_of(run, made)
    if told is not None:
        name_genes(told, _symbols(gateway, visitor, job))
    shown = {} if told is None else score_charts(told["scores"], len(told["classes"]))
    own: dict[str, Any] = {"results": made, "answers": told, **shown}
    return own | {"figures": _figures(run, made), "trials": _trials(run, made)}


def _symbols(gateway: Gateway, visitor: Caller, job: JobPublic) -> dict[str, str]:
    """Gene -> symbol, as the model that the job started from has them."""
    name = job.params.get("model")
    if name is None:
        return {}
    with gateway.database.read() as connection:
        model = find_model(connection, gateway.settings, visitor.owner, name)
    rows = [] if model is None else table(PublishedModel(model.folder).gene_guide_table)
    return {row["gene"]: row["symbol"] for row in rows if row.get("symbol")}


def _figures(run: RunLayout, made: JobResults) -> list[dict[str, str]]:
    """Pictures that the job drew, in its own order, with their captions; and those of an exploration."""
    files = {file.path: file for file in made.files}
    found: list[dict[str, str]] = []
    home = run.report_figures.relative_to(run.root).as_posix()
    if f"{home}/figures.json" in files:
        listed = json.loads((run.report_figures / "figures.json").read_text(encoding="utf-8"))
        own = ((each, files.get(f"{home}/{each['file']}")) for each in listed)
        found += [
            {"link": file.link, "title": each["title"], "caption": each["caption"]}
            for each, file in own
            if file is not None and each["file"] != _DRAWN_HERE
        ]
    for path, file in files.items():
        if path.startswith("explore/figures/") and path.endswith(".svg"):
            name = path.rsplit("/", 1)[-1].rsplit(".", 1)[0].replace("_", " ")
            found.append({"link": file.link, "title": name, "caption": ""})
    return found


def _trials(run: RunLayout, made: JobResults) -> charts.Chart | None:
    """The search's trials: what was tried, and its loss."""
    if run.trials.relative_to(run.root).as_posix() not in {file.path for file in made.files}:
        return None
    with run.trials.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("loss") not in (None, "", "nan")]
    if len(rows) < 2:
        return None
    varied = [name for name in rows[0] if name not in _NO_SETTINGS and len({row[name] for row in rows}) > 1]
    names = [*varied, "loss"]
    told = [[_number(row[name]) for name in names] for row in rows]
    return charts.parallel(names, told, "Lower loss is better; it was judged inside the training samples.")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _compared(gateway: Gateway, visitor: Caller, chosen: list[str]) -> dict[str, Any]:
    with gateway.database.read() as connection:
        asked = [
            jobs.public(connection, gateway.places, jobs.find(connection, visitor.owner, job_id))
            for job_id in chosen
        ]
    params = [flat(job.params) for job in asked]
    rows = []
    for name in dict.fromkeys(name for own in params for name in own):
        values = [own.get(name, NONE) for own in params]
        rows.append({"name": name, "values": values, "differs": len(set(values)) > 1})
    scored = [
        {**score["accuracy"], "name": f"{job.label or job.id[:12]}: {score['name']}"}
        for job in asked
        for score in _scores(gateway, job)
        if score["role"] == "main"
    ]
    return {"jobs": asked, "rows": rows, "chart": charts.intervals(scored, "Accuracy")}


def _scores(gateway: Gateway, job: JobPublic) -> list[dict[str, Any]]:
    """None of a job that has no answers, or no longer."""
    run = RunLayout(gateway.settings.jobs / job.id)
    try:
        told = answers_of(run, _results(run, job))
    except ProblemError:
        return []
    return told["scores"] if told is not None else []


def _results(run: RunLayout, job: JobPublic) -> JobResults:
    """As `delivery.results`, which raises ProblemError where there are none."""
    return results(run.root, job.model_dump(include={"id", "status", "attempt", "error"}))


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Parameters as `settings.epochs` -> text; what was left out is not shown."""
    found: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            found |= flat(item, f"{prefix}{name}.")
        elif item is not None:
            found[f"{prefix}{name}"] = ", ".join(map(str, item)) if isinstance(item, list) else str(item)
    return found
