"""One run a fold of the benchmark: each learns from the compendium less whole families of tasks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.phase import Figures, Progress
from jobs.record import recorded
from jobs.run import PIPELINE, run_verb
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout

RECIPE = Path(__file__).parent / "recipes" / "benchmark.toml"
PHASES = ("scout", "genes")
"""With all that they build on, these are what every arm may start from."""
OF_A_FOLD = ("ingest", "explore", "genes", "gene2vec", "pretrain", "scout")


def prepare(
    recipe: Path | None,
    options: Mapping[str, Any],
    folders: Sequence[Path],
    tasks_file: Path,
    runs: Path,
    n_folds: int,
    phases: Sequence[str],
    progress: Progress,
) -> list[dict[str, Any]]:
    """Write RUNS/folds.json and make RUNS/fold-0, ...; what is complete is skipped.

    Each run has the `recipe` (by default benchmark.toml) with the `options`, and these `phases` with all
    that they need. Returns, a fold, its folder, its families and its phases' markers. Raises RecipeError
    for an unknown phase, and what reading tasks and compendium raises.
    """
    from rnalearner.benchmark.compendium import Compendium
    from rnalearner.benchmark.folds import make_folds
    from rnalearner.benchmark.tasks import read_tasks

    for phase in phases:
        if phase not in OF_A_FOLD:
            what = f"a fold's run has no phase {phase!r}"
            raise RecipeError("--phases", what, f"choose among {', '.join(OF_A_FOLD)}")
    config = load_recipe(recipe or RECIPE, options)
    folders, runs = [folder.resolve() for folder in folders], runs.resolve()
    folds = make_folds(read_tasks(tasks_file), Compendium(folders), n_folds)
    folds.save(runs)
    made = []
    for fold in folds.folds:
        layout = RunLayout(runs / fold.name)
        own = _of_fold(config, fold.name, folders, fold.left_out)
        with recorded(layout, "benchmark prepare", PIPELINE) as record:
            tell = record.progress(_named(progress, fold.name))
            markers: dict[str, Figures] = {}
            for phase in (name for name in PIPELINE if name in phases):
                markers |= run_verb(phase, own, layout, tell, with_needs=True, on_phase=record.phase)
        made.append({"run": str(layout.root), "families": list(fold.families), "phases": markers})
    return made


def _of_fold(config: RunConfig, name: str, folders: Sequence[Path], left_out: Sequence[str]) -> RunConfig:
    """The recipe with the compendium less some studies as its corpus, and nothing beside it."""
    corpus = {
        "source": "compendium",
        "corpus": tuple(folders),
        "projects": (),
        "exclude": tuple(left_out),
        "osdr": (),
        "tables": (),
        "sheet": None,
    }
    data = config.data.model_copy(update=corpus)
    return config.model_copy(update={"name": name, "data": data, "tasks": ()})


def _named(progress: Progress, fold: str) -> Progress:
    def tell(
        label: str, done: int, total: int, note: str = "", figures: Mapping[str, float] | None = None
    ) -> None:
        progress(f"{fold} {label}", done, total, note, figures)

    return tell
