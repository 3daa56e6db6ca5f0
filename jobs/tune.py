"""The search for fine-tuning settings."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig, TaskConfig
from rnalearner.layout import RunLayout

if TYPE_CHECKING:
    import pandas as pd

    from rnalearner.finetune.trials import Trial, TrialJournal

SHOWN = 8
"""Trials in the table at the end."""
HEADINGS = {
    "trial": "trial",
    "loss": "loss",
    "accuracy": "accuracy",
    "epochs": "epochs",
    "learning_rate": "rate",
    "head": "head",
    "trained_blocks": "blocks",
    "cohort_centring": "centred",
    "guide_form": "guide",
    "guide_temperature": "temp.",
}


def tuned_arm(config: RunConfig) -> str:
    """The arm whose settings are searched; raises RecipeError where the recipe names none."""
    from rnalearner.errors import RecipeError

    if config.tune.arm is None and not config.finetune.arms:
        raise RecipeError("finetune.arms", "names no arm to tune", "name one, or set tune.arm")
    return config.tune.arm or config.finetune.arms[-1]


def tune(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Trials on Ray Tune; a table and a picture of them, and the recipe with the best one's settings."""
    from cluster.local import ray_session
    from cluster.tuning import run_tuning
    from rnalearner.finetune.fewshot import fewshot_task
    from rnalearner.finetune.objective import ask
    from rnalearner.finetune.trials import trials_table
    from rnalearner.report.trials_figure import draw_trials
    from rnalearner.shards.read import ShardStore
    from rnalearner.spreadsheet import write_csv

    store = ShardStore.open(layout.shards)
    task = fewshot_task(store, tuned_task(config))  # leaks were judged at ingest
    question = ask(task, config.tune)
    total = config.tune.num_samples

    def tell(journal: "TrialJournal") -> None:
        best = journal.best
        figures = {} if best is None else {"loss": _loss(best)}
        note = "" if best is None else f"best loss {_loss(best):.4f}"
        progress("tune", len(journal.ended), total, note, figures)

    with ray_session(config.ray):
        journal = run_tuning(layout, config, question, tuned_arm(config), tell)
    best = journal.best
    assert best is not None  # noqa: S101 - run_tuning ends well only with one
    table = trials_table(journal.trials.values())
    write_csv(layout.trials, table)
    draw_trials(table, layout.trials.with_suffix(".svg"))
    _write_recipe(with_settings(config, best.settings), layout.best_recipe)
    _show(table)
    # Ray's own files and the activations served the trials, and nothing reads them again.
    for folder in (layout.ray_tune, layout.activations):
        shutil.rmtree(folder, ignore_errors=True)
    own = journal.trials[0]
    figures = {"trials": len(table), "best_loss": round(_loss(best), 6)}
    if own.status == "SUCCEEDED":
        figures["default_loss"] = round(_loss(own), 6)
    return {**figures, "settings": best.settings}


def tuned_task(config: RunConfig) -> TaskConfig:
    """The task that is tuned on, without its test: nothing that follows could look at one.

    Its validation study is dropped, too, unless the objective is measured on it. Raises RecipeError
    where there is no such task.
    """
    from rnalearner.errors import RecipeError

    if not config.tasks:
        raise RecipeError("recipe", "there is no task to tune on", "add a [[tasks]] table")
    named = {task.name: task for task in config.tasks}
    name = config.tune.task or config.tasks[0].name
    if name not in named:
        raise RecipeError("tune.task", f"there is no task {name!r}", f"choose among {', '.join(named)}")
    hidden: dict[str, Any] = {"test": None}
    if config.tune.objective != "validation":
        hidden["validation"] = None
    return named[name].model_copy(update=hidden)


def with_settings(config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """The recipe with a trial's settings; they were judged at the last epoch, which is what is scored."""
    finetune = config.finetune.model_copy(update={**settings, "select": "last"})
    return config.model_copy(update={"finetune": finetune})


def _write_recipe(config: RunConfig, path: Path) -> None:
    """As TOML, which has no null: what is left out has that default."""
    import tomli_w

    from rnalearner.publish import write_text

    write_text(path, tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)))


def _show(table: "pd.DataFrame") -> None:
    """The best trials on stderr; those that were stopped early come after those that were not."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    ranked = table.assign(
        early=table["status"] != "SUCCEEDED",
        epochs=table["epochs_run"].astype(str) + " of " + table["epochs"].astype(str),
    ).sort_values(["early", "loss"], kind="stable")
    shown = [name for name in HEADINGS if name in ranked]
    lines = Table(title=f"Best of {len(table)} trials", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in shown:
        lines.add_column(HEADINGS[name], justify="right")
    for row in ranked.head(SHOWN)[shown].itertuples(index=False):
        lines.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    Console(stderr=True).print(lines)


def _loss(trial: "Trial") -> float:
    assert trial.loss is not None  # noqa: S101 - complete trials have one
    return trial.loss
