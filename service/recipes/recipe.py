"""What a job asks for, as a recipe and a command line. Pure: what it names was looked up before.

The checks are made when a job is asked for, and again when it is handed to the cluster.
"""

from collections.abc import Iterable, Mapping
from math import sqrt
from pathlib import Path

from rnalearner.config import ClusteringConfig, FigureConfig, PredictConfig, RunConfig, load_recipe
from rnalearner.errors import CountsError, RecipeError
from rnalearner.layout import RunLayout
from service.recipes.inputs import (
    Ingredients,
    Params,
    Table,
    gene_table,
    preprocessing_section,
    ray_section,
    tables_section,
)
from service.recipes.learning import learning_recipe
from service.recipes.publishing import pretrain_recipe, scout_recipe
from service.schemas.jobs import (
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

_VERBS: Mapping[str, tuple[str, ...]] = {
    "linear": ("report", "--needs"),
    "finetune": ("report", "--needs"),
    "tune": ("tune", "--needs"),
    "predict": ("predict",),
    "explore": ("explore", "--needs"),
    "pretrain": ("export", "--needs"),
    "scout": ("export", "--needs"),
}


def job_words(kind: JobKind, folder: Path, attempt: int, source: Path | None = None) -> list[str]:
    """What `rnalearner` is called with; the recipe lies in the job's `folder`."""
    verb, *options = _VERBS[kind]
    begun = ["--from", str(source)] if kind == "scout" else []
    recipe = str(RunLayout(folder).recipe)
    return [verb, recipe, "--out", str(folder), *options, "--attempt", str(attempt), *begun]


def job_recipe(name: str, params: Params, found: Ingredients, settings: Settings) -> RunConfig:
    """The recipe of a job called `name`; raises InputError's kinds where it could not succeed."""
    match params:
        case LinearParams() | FinetuneParams() | TuneParams():
            return learning_recipe(name, params, found, settings)
        case PredictParams():
            return _predict(name, params, found, settings)
        case ExploreParams():
            return _explore(name, params, found, settings)
        case PretrainParams():
            return pretrain_recipe(name, params, found, settings)
        case ScoutParams():
            return scout_recipe(name, params, found, settings)


def _predict(name: str, params: PredictParams, found: Ingredients, settings: Settings) -> RunConfig:
    assert found.source is not None  # noqa: S101 - looked up before
    _check_method(params, load_recipe(RunLayout(found.source).recipe).finetune.arms)
    table = found.tables[params.dataset]
    predict = PredictConfig(
        run=found.source,
        table=table.path,
        sheet=table.sheet,
        genes=gene_table(settings),
        method=params.method,
        arm=params.arm,
        formats=tuple(dict.fromkeys(params.formats)),
        min_confidence=params.min_confidence,
        min_coverage=params.min_coverage,
    )
    return RunConfig(name=name, predict=predict, ray=ray_section(settings))


def _check_method(params: PredictParams, arms: tuple[str, ...]) -> None:
    """Raises RecipeError for an arm, or an encoder, that the job has not learned."""
    if params.arm is not None and params.method == "linear":
        raise RecipeError(f"arm {params.arm}", "is an encoder's, and the method is linear", "leave one out")
    if not arms and (params.arm is not None or params.method == "encoder"):
        what, remedy = f"was not learned by {params.classifier}", "leave it out, or name a finetune job"
        raise RecipeError(f"arm {params.arm}" if params.arm else "method encoder", what, remedy)
    if params.arm is not None and params.arm not in arms:
        what = f"was not learned by {params.classifier}"
        raise RecipeError(f"arm {params.arm}", what, f"choose among {', '.join(arms)}")


def _explore(name: str, params: ExploreParams, found: Ingredients, settings: Settings) -> RunConfig:
    studies = _studies(found.tables.values())
    n_samples = sum(table.report.n_samples for table in studies.values())
    if n_samples < 3:
        raise CountsError("datasets", f"hold {n_samples} samples", "give three or more to explore")
    k = params.k or max(2, min(10, round(sqrt(n_samples / 2))))
    if k >= n_samples:
        raise RecipeError("k", f"{k} is not below the {n_samples} samples", "choose a smaller one")
    k_list = tuple(sorted({max(2, k // 2), k, min(2 * k, n_samples - 1)}))
    return RunConfig(
        name=name,
        data=tables_section(studies, settings),
        preprocessing=preprocessing_section(studies),
        clustering=ClusteringConfig(k=k, k_list=k_list),
        figures=FigureConfig(sample_share=1.0),
        ray=ray_section(settings),
    )


def _studies(tables: Iterable[Table]) -> dict[str, Table]:
    """By the owner's own names, as the pictures show them; a second one of a name gets its id."""
    studies: dict[str, Table] = {}
    for table in tables:
        studies[table.name if table.name not in studies else f"{table.name} {table.id[:12]}"] = table
    return studies
