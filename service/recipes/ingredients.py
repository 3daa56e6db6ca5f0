"""What a job's params name, looked up for its owner; what is not there, or not ready, is a problem."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, RowMapping, bindparam, select

from rnalearner.errors import RecipeError
from service.dataset_files import CANONICAL, canonical_labels, dataset_folder
from service.problems import ProblemError, missing, still_validating
from service.recipes.inputs import PARAMS, Ingredients, Params, Table
from service.recipes.models import Model, find_model
from service.schemas.datasets import DatasetReport
from service.schemas.jobs import (
    TERMINAL,
    ExploreParams,
    FinetuneParams,
    JobKind,
    LinearParams,
    PredictParams,
    PretrainParams,
    ScoutParams,
    TuneParams,
)
from service.settings import Settings
from service.store.tables import datasets, jobs

_COMES_WITH = Path(__file__).resolve().parents[2] / "jobs" / "recipes"
"""A neighbour of this package, read but never imported."""
_ALWAYS_OFFERED = ("demo", "smoke")
_SOON = {"Retry-After": "2"}
_DATASET = (
    select(datasets)
    .where(datasets.c.owner == bindparam("owner"), datasets.c.id == bindparam("id"))
    .with_for_update(read=True)
)


def gather(connection: Connection, settings: Settings, owner: str, params: Params) -> Ingredients:
    """All that `params` name. Raises ProblemError: 404 for what the owner does not have, 409 for what
    is not ready yet, 422 for what never will be.

    Inside a write transaction the datasets stay until its end.
    """
    tables = {name: _table(connection, settings, owner, name) for name in dataset_ids(params)}
    sources = [_source(connection, owner, *named) for named in _sources(params)]
    model = None
    if isinstance(params, LinearParams | FinetuneParams | TuneParams) and params.model is not None:
        model = find_model(connection, settings, owner, params.model)
        if model is None:
            raise missing("model", params.model)
    return Ingredients(
        tables=tables,
        model=model,
        source=settings.jobs / sources[0] if sources else None,
        recipe=_recipe(settings, params.recipe) if isinstance(params, PretrainParams) else None,
    )


def dataset_ids(params: Params) -> list[str]:
    """The datasets that a job derives from, each once."""
    match params:
        case LinearParams():
            named = [params.train, params.test]
        case FinetuneParams() | TuneParams():
            named = [params.train, params.validation, params.test]
        case PredictParams():
            named = [params.dataset]
        case ExploreParams():
            named = [*params.datasets]
        case _:
            named = []
    return list(dict.fromkeys(name for name in named if name is not None))


def source_ids(params: Params, model: Model | None) -> list[str]:
    """The jobs whose results a job reads."""
    named = [job for job, _ in _sources(params)]
    return [*named, model.id] if model is not None and model.source == "job" else named


def offered_recipes(settings: Settings) -> dict[str, Path]:
    """What may be pretrained, by name: the operator's recipes, and those that come with the program."""
    offered = {name: _COMES_WITH / f"{name}.toml" for name in _ALWAYS_OFFERED}
    if settings.recipes is not None:
        offered |= {path.stem: path.resolve() for path in sorted(settings.recipes.glob("*.toml"))}
    return offered


def _table(connection: Connection, settings: Settings, owner: str, name: str) -> Table:
    row = connection.execute(_DATASET, {"owner": owner, "id": name}).mappings().first()
    if row is None:
        raise missing("dataset", name)
    if row["state"] == "VALIDATING":
        raise still_validating(name)
    if row["state"] != "READY":
        what, remedy = f"is {row['state']}", "see its problem, mend the file and upload it again"
        raise ProblemError(422, "dataset-rejected", f"dataset {name}", what, remedy)
    folder = dataset_folder(settings, owner, name)
    sheet = folder / canonical_labels(row["labels_sha256"])
    return Table(
        id=name,
        name=row["name"],
        path=folder / CANONICAL,
        sheet=sheet if sheet.exists() else None,
        report=DatasetReport.model_validate(row["report"]),
    )


def _sources(params: Params) -> Iterator[tuple[str, tuple[JobKind, ...]]]:
    """The jobs that params name, and of which kinds each may be."""
    match params:
        case FinetuneParams() if params.tuned_by is not None:
            yield params.tuned_by, ("tune",)
        case PredictParams():
            yield params.classifier, ("linear", "finetune")
        case ScoutParams():
            yield params.pretraining, ("pretrain",)


def _source(connection: Connection, owner: str, name: str, kinds: tuple[JobKind, ...]) -> str:
    mine = select(jobs.c.kind, jobs.c.status).where(
        jobs.c.owner == owner, jobs.c.id == name, jobs.c.deleted.is_(False)
    )
    row: RowMapping | None = connection.execute(mine.with_for_update(read=True)).mappings().first()
    if row is None:
        raise missing("job", name)
    if row["kind"] not in kinds:
        raise RecipeError(f"job {name}", f"is a {row['kind']} job", f"name a {' or '.join(kinds)} job")
    if row["status"] != "SUCCEEDED":
        over = row["status"] in TERMINAL
        remedy = "retry it, or name one that succeeded" if over else "ask again when it has succeeded"
        what, headers = f"is {row['status']}", None if over else _SOON
        raise ProblemError(409, "job-not-succeeded", f"job {name}", what, remedy, headers=headers)
    return name


def _recipe(settings: Settings, name: str) -> Path:
    offered = offered_recipes(settings)
    if name not in offered:
        raise RecipeError(f"recipe {name}", "is not offered", f"choose among {', '.join(sorted(offered))}")
    return offered[name]


def params_of(kind: JobKind, params: object) -> Params:
    """As they lie in the jobs table."""
    return PARAMS[kind].model_validate(params)
