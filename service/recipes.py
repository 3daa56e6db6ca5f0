"""What a job asks for, as a recipe and a command line. Pure: what it names was looked up before.

The checks are made when a job is asked for, and again when it is handed to the cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from rnalearner.config import (
    ClusteringConfig,
    DataConfig,
    ExportConfig,
    FigureConfig,
    FinetuneConfig,
    ModelConfig,
    PredictConfig,
    PreprocessingConfig,
    RaySettings,
    RunConfig,
    TableConfig,
    TaskConfig,
    TuneConfig,
    load_recipe,
)
from rnalearner.errors import CountsError, GeneError, RecipeError
from rnalearner.layout import RunLayout
from service.groups import check_scored, chosen_column, chosen_groups
from service.models import Model
from service.schemas.datasets import DatasetReport
from service.schemas.jobs import (
    ExploreParams,
    FinetuneParams,
    JobKind,
    PredictParams,
    PretrainParams,
    ScoutParams,
    TuneParams,
)
from service.settings import Settings

Params = FinetuneParams | TuneParams | PredictParams | ExploreParams | PretrainParams | ScoutParams

PARAMS: Mapping[str, type[Params]] = {
    "finetune": FinetuneParams,
    "tune": TuneParams,
    "predict": PredictParams,
    "explore": ExploreParams,
    "pretrain": PretrainParams,
    "scout": ScoutParams,
}
_VERBS: Mapping[str, tuple[str, ...]] = {
    "finetune": ("report", "--needs"),
    "tune": ("tune", "--needs"),
    "predict": ("predict",),
    "explore": ("explore", "--needs"),
    "pretrain": ("export", "--needs"),
    "scout": ("export", "--needs"),
}
_SMALL = ModelConfig(dim=32, depth=2, heads=2, dim_head=16, n_features=32)
"""Without a published model: what a few samples and two cores can carry."""
_MIN_MEASURED = 0.5
"""Share of a model's genes that a table must measure; ingest refuses less, too."""


@dataclass(frozen=True)
class Table:
    """A READY dataset of the job's owner."""

    id: str
    name: str
    path: Path
    sheet: Path | None
    report: DatasetReport

    def __str__(self) -> str:
        return f"dataset {self.id[:12]} ({self.name})"


@dataclass(frozen=True)
class Ingredients:
    """What a job's params name; whatever they do not name is absent."""

    tables: Mapping[str, Table]
    """By dataset id."""
    model: Model | None = None
    source: Path | None = None
    """Folder of the job that it builds on: tuned_by, classifier, or pretraining."""
    recipe: Path | None = None
    """The operator's recipe."""


def job_words(kind: JobKind, folder: Path, attempt: int, source: Path | None = None) -> list[str]:
    """What `rnalearner` is called with; the recipe lies in the job's `folder`."""
    verb, *options = _VERBS[kind]
    begun = ["--from", str(source)] if kind == "scout" else []
    recipe = str(RunLayout(folder).recipe)
    return [verb, recipe, "--out", str(folder), *options, "--attempt", str(attempt), *begun]


def job_recipe(name: str, params: Params, found: Ingredients, settings: Settings) -> RunConfig:
    """The recipe of a job called `name`; raises InputError's kinds where it could not succeed."""
    match params:
        case FinetuneParams() | TuneParams():
            return _learning(name, params, found, settings)
        case PredictParams():
            return _predict(name, params, found, settings)
        case ExploreParams():
            return _explore(name, found, params.k, settings)
        case PretrainParams():
            return _pretrain(name, params, found, settings)
        case ScoutParams():
            return _scout(name, params, found, settings)


def _learning(
    name: str, params: FinetuneParams | TuneParams, found: Ingredients, settings: Settings
) -> RunConfig:
    splits = {"train": params.train, "validation": params.validation, "test": params.test}
    named = {split: found.tables[dataset] for split, dataset in splits.items() if dataset is not None}
    if len({table.id for table in named.values()}) < len(named):
        what = "are not different datasets"
        raise RecipeError(" and ".join(named), what, "give each a dataset of its own, or leave it out")
    train = named["train"]
    column = chosen_column(train, params.column)
    groups = chosen_groups(train, column, params.groups)
    for split in named.keys() - {"train"}:
        check_scored(named[split], column, groups)
    for table in named.values():
        _check_measured(table, found.model)
    if isinstance(params, TuneParams):
        named.pop("test", None)  # a search has no business with it
        if params.objective == "validation" and params.validation is None:
            remedy = "name a validation dataset, or take the objective `folds`"
            raise RecipeError("objective", "`validation` needs a validation dataset", remedy)
    arms = _arms(params.arms, found.model)
    task = TaskConfig(
        name="task",
        train="train",
        validation="validation" if "validation" in named else None,
        test="test" if "test" in named else None,
        column=column,
        groups=tuple(groups),
    )
    return RunConfig(
        name=name,
        data=_tables(named, settings, params.allow_leak),
        preprocessing=_preprocessing(named),
        model=_SMALL if found.model is None else ModelConfig(path=found.model.folder),
        finetune=_finetune(params, found.source, arms),
        tune=_tune(params, arms) if isinstance(params, TuneParams) else TuneConfig(),
        tasks=(task,),
        ray=_ray(settings),
    )


def _arms(asked: list[Any] | None, model: Model | None) -> tuple[Any, ...]:
    """Those asked for, or else the most that the model has learned."""
    if model is None:
        possible = {"none"}
        lacks = "needs a model, and none is named"
    elif model.has_guide:
        return tuple(dict.fromkeys(asked or ["guided"]))
    else:
        possible = {"none", "vectors", "pretrained"}
        lacks = f"needs a guide, and model {model.id} has none"
    for arm in asked or ():
        if arm not in possible:
            raise RecipeError(f"arm {arm}", lacks, "name another model, or leave that arm out")
    return tuple(dict.fromkeys(asked or (["none"] if model is None else ["pretrained"])))


def _finetune(
    params: FinetuneParams | TuneParams, tuned_by: Path | None, arms: tuple[Any, ...]
) -> FinetuneConfig:
    best = FinetuneConfig() if tuned_by is None else load_recipe(RunLayout(tuned_by).best_recipe).finetune
    asked = params.settings.model_dump(exclude_none=True)
    return FinetuneConfig.model_validate(best.model_dump() | asked | {"arms": arms})


def _tune(params: TuneParams, arms: tuple[Any, ...]) -> TuneConfig:
    return TuneConfig(
        task="task",
        arm=arms[-1],
        num_samples=params.num_samples,
        objective=params.objective,
        folds=params.folds,
    )


def _predict(name: str, params: PredictParams, found: Ingredients, settings: Settings) -> RunConfig:
    assert found.source is not None  # noqa: S101 - looked up before
    arms = load_recipe(RunLayout(found.source).recipe).finetune.arms
    if params.arm is not None and params.arm not in arms:
        what = f"was not learned by {params.classifier}"
        raise RecipeError(f"arm {params.arm}", what, f"choose among {', '.join(arms)}")
    table = found.tables[params.dataset]
    predict = PredictConfig(
        run=found.source,
        table=table.path,
        sheet=table.sheet,
        genes=_genes(settings),
        arm=params.arm,
        formats=tuple(dict.fromkeys(params.formats)),
        min_confidence=params.min_confidence,
        min_coverage=params.min_coverage,
    )
    return RunConfig(name=name, predict=predict, ray=_ray(settings))


def _explore(name: str, found: Ingredients, asked_k: int | None, settings: Settings) -> RunConfig:
    studies = _studies(found.tables.values())
    n_samples = sum(table.report.n_samples for table in studies.values())
    if n_samples < 3:
        raise CountsError("datasets", f"hold {n_samples} samples", "give three or more to explore")
    k = asked_k or max(2, min(10, round(sqrt(n_samples / 2))))
    if k >= n_samples:
        raise RecipeError("k", f"{k} is not below the {n_samples} samples", "choose a smaller one")
    k_list = tuple(sorted({max(2, k // 2), k, min(2 * k, n_samples - 1)}))
    return RunConfig(
        name=name,
        data=_tables(studies, settings),
        preprocessing=_preprocessing(studies),
        clustering=ClusteringConfig(k=k, k_list=k_list),
        figures=FigureConfig(sample_share=1.0),
        ray=_ray(settings),
    )


def _studies(tables: Any) -> dict[str, Table]:
    """By the owner's own names, as the pictures show them; a second one of a name gets its id."""
    studies: dict[str, Table] = {}
    for table in tables:
        studies[table.name if table.name not in studies else f"{table.name} {table.id[:12]}"] = table
    return studies


def _pretrain(name: str, params: PretrainParams, found: Ingredients, settings: Settings) -> RunConfig:
    assert found.recipe is not None  # noqa: S101 - looked up before
    options: dict[str, Any] = {"export.name": params.recipe}
    if params.max_steps is not None:
        options["pretrain.max_steps"] = params.max_steps
    return _published(name, load_recipe(found.recipe, options), found.recipe.parent, params.licence, settings)


def _scout(name: str, params: ScoutParams, found: Ingredients, settings: Settings) -> RunConfig:
    assert found.source is not None  # noqa: S101 - looked up before
    options = {} if params.n_scouts is None else {"scouting.n_scouts": params.n_scouts}
    config = load_recipe(RunLayout(found.source).recipe, options)
    return _published(name, config, found.source, params.licence, settings, guide=True)


def _published(
    name: str, config: RunConfig, root: Path, licence: str, settings: Settings, guide: bool = False
) -> RunConfig:
    """A recipe of its own file, run here: its paths start from `root`, its end is a published model."""
    export = config.export.model_dump() | {"guide": guide}
    if licence != "unknown":
        export["licence"] = licence
    gene2vec, model = config.gene2vec, config.model
    return config.model_copy(
        update={
            "name": name,
            "data": config.data.model_copy(update={"root": (root / config.data.root).resolve()}),
            "gene2vec": gene2vec.model_copy(update={"path": _from(root, gene2vec.path)}),
            "model": model.model_copy(update={"path": _from(root, model.path)}),
            "export": ExportConfig.model_validate(export),
            "ray": config.ray.model_copy(update={"address": None, "num_cpus": settings.num_cpus}),
        }
    )


def _from(root: Path, path: Path | None) -> Path | None:
    return None if path is None else (root / path).resolve()


def _tables(studies: Mapping[str, Table], settings: Settings, allow_leak: bool = False) -> DataConfig:
    return DataConfig(
        source="tables",
        root=Path("/"),
        tables=tuple(
            TableConfig(study=study, path=table.path, sheet=table.sheet) for study, table in studies.items()
        ),
        genes=_genes(settings),
        allow_leak=allow_leak,
    )


def _preprocessing(studies: Mapping[str, Table]) -> PreprocessingConfig:
    """Small tables, of a few genes, keep their samples too."""
    fewest = min(table.report.n_genes for table in studies.values())
    return PreprocessingConfig(min_expressed_genes=min(200, fewest // 3))


def _check_measured(table: Table, model: Model | None) -> None:
    share = table.report.models.get(model.id) if model is not None else None
    if model is not None and share is not None and share < _MIN_MEASURED:
        what = f"measures {share:.0%} of the genes of model {model.id}"
        remedy = f"check species and gene ids, or name another model: {_MIN_MEASURED:.0%} are needed"
        raise GeneError(table, what, remedy)


def _genes(settings: Settings) -> Path | None:
    return None if settings.genes is None else settings.genes.resolve()


def _ray(settings: Settings) -> RaySettings:
    return RaySettings(num_cpus=settings.num_cpus)
