"""The recipes of the linear model, of fine-tuning, and of the search for its settings. Pure."""

from pathlib import Path
from typing import Any

from rnalearner.config import (
    FinetuneConfig,
    LinearConfig,
    ModelConfig,
    RunConfig,
    TaskConfig,
    TuneConfig,
    load_recipe,
)
from rnalearner.errors import GeneError, RecipeError
from rnalearner.layout import RunLayout
from service.recipes.groups import check_scored, chosen_column, chosen_groups
from service.recipes.inputs import Ingredients, Table, preprocessing_section, ray_section, tables_section
from service.recipes.models import Model
from service.schemas.jobs import FinetuneParams, LinearParams, TuneParams
from service.settings import Settings

_SMALL = ModelConfig(dim=32, depth=2, heads=2, dim_head=16, n_features=32)
"""Without a published model: what a few samples and two cores can carry."""
_MIN_MEASURED = 0.5
"""Share of a model's genes that a table must measure; ingest refuses less, too."""


def learning_recipe(
    name: str, params: LinearParams | FinetuneParams | TuneParams, found: Ingredients, settings: Settings
) -> RunConfig:
    """Every dataset a study of its own: train, validation, test."""
    watched = None if isinstance(params, LinearParams) else params.validation
    splits = {"train": params.train, "validation": watched, "test": params.test}
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
    # A linear job has no arm: its report needs no encoder.
    arms = () if isinstance(params, LinearParams) else _arms(params.arms, found.model)
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
        data=tables_section(named, settings, params.allow_leak),
        preprocessing=preprocessing_section(named),
        model=_SMALL if found.model is None else ModelConfig(path=found.model.folder),
        linear=_linear(params, found.model),
        finetune=FinetuneConfig(arms=())
        if isinstance(params, LinearParams)
        else _finetune(params, found.source, arms),
        tune=_tune(params, arms) if isinstance(params, TuneParams) else TuneConfig(),
        tasks=(task,),
        ray=ray_section(settings),
    )


def _linear(params: LinearParams | FinetuneParams | TuneParams, model: Model | None) -> LinearConfig:
    """Behind the model's gene guide, if it has one; raises RecipeError where one is asked for in vain."""
    has_guide = model is not None and model.has_gene_guide
    if not isinstance(params, LinearParams):
        return LinearConfig(guide=has_guide)
    wanted = model is not None if params.settings.guide is None else params.settings.guide
    if wanted and not has_guide:
        if model is None:
            remedy = "name one that has a gene guide, or leave settings.guide out"
            raise RecipeError("settings.guide", "needs a model, and none is named", remedy)
        remedy = "name another, or none: without it the linear model is learned unguided"
        raise RecipeError(f"model {model.id}", "has no gene guide", remedy)
    asked = params.settings.model_dump(exclude_none=True)
    return LinearConfig.model_validate({**asked, "guide": wanted})


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
    if isinstance(params, TuneParams):  # the settings of the first trial
        asked["epochs"] = min(asked.get("epochs", best.epochs), params.max_epochs)
    return FinetuneConfig.model_validate(best.model_dump() | asked | {"arms": arms})


def _tune(params: TuneParams, arms: tuple[Any, ...]) -> TuneConfig:
    return TuneConfig(
        task="task",
        arm=arms[-1],
        num_samples=params.num_samples,
        objective=params.objective,
        folds=params.folds,
        epochs=(min(TuneConfig().epochs[0], params.max_epochs), params.max_epochs),
    )


def _check_measured(table: Table, model: Model | None) -> None:
    share = table.report.models.get(model.id) if model is not None else None
    if model is not None and share is not None and share < _MIN_MEASURED:
        what = f"measures {share:.0%} of the genes of model {model.id}"
        remedy = f"check species and gene ids, or name another model: {_MIN_MEASURED:.0%} are needed"
        raise GeneError(table, what, remedy)
