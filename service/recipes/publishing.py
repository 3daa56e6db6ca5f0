"""The recipes of jobs whose result is a model of their owner's: Phase I, and Phase II after it. Pure."""

from pathlib import Path
from typing import Any

from rnalearner.config import ExportConfig, RunConfig, load_recipe
from rnalearner.layout import RunLayout
from service.recipes.inputs import Ingredients
from service.schemas.jobs import PretrainParams, ScoutParams
from service.settings import Settings


def pretrain_recipe(name: str, params: PretrainParams, found: Ingredients, settings: Settings) -> RunConfig:
    """An offered recipe, up to the export of its base checkpoint."""
    assert found.recipe is not None  # noqa: S101 - looked up before
    options: dict[str, Any] = {"export.name": params.recipe}
    if params.max_steps is not None:
        options["pretrain.max_steps"] = params.max_steps
    return _published(name, load_recipe(found.recipe, options), found.recipe.parent, params.licence, settings)


def scout_recipe(name: str, params: ScoutParams, found: Ingredients, settings: Settings) -> RunConfig:
    """The recipe of the pretraining job, gone on to the guide."""
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
