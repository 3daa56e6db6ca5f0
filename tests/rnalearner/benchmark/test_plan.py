"""Which run a task takes, and when its rows must be made again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rnalearner.benchmark.chosen_arms import chosen_arms
from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.folds import Fold, Folds, make_folds
from rnalearner.benchmark.plan import Planner, Question, RunOfTask, runs_of_tasks
from rnalearner.benchmark.survey import Survey
from rnalearner.benchmark.tasks import BenchmarkTask
from rnalearner.config import RunConfig, load_recipe
from rnalearner.config.benchmark import benchmark_settings
from rnalearner.errors import LeakError
from rnalearner.layout import RunLayout

Tasks = dict[str, BenchmarkTask]
PHASES = ("ingest", "genes", "pretrain", "scout")


@pytest.fixture
def folds(folder: Path, compendium: Compendium, tasks: Tasks, tmp_path: Path) -> Folds:
    """Three folds with runs that say that all phases are complete."""
    made = make_folds(list(tasks.values()), compendium, 3)
    made.save(tmp_path / "runs")
    for fold in made.folds:
        run = RunLayout(tmp_path / "runs" / fold.name)
        for phase in PHASES:
            run.marker(phase).parent.mkdir(parents=True)
            run.marker(phase).write_text(json.dumps({"made": f"{phase} 1"}))
        run.recipe.write_text(RunConfig().model_dump_json())
    return Folds.load(tmp_path / "runs")


@pytest.fixture
def bases(folder: Path, tasks: Tasks, folds: Folds) -> Callable[..., dict[tuple[str, ...], str]]:
    """Basis of each group of arms on task `first`."""

    def bases(options: dict[str, object] | None = None, **asked: object) -> dict[tuple[str, ...], str]:
        compendium = Compendium([folder])
        given = {"compendium": [folder], "tasks": folder / "tasks.csv", "k": [1, 2], "seeds": 2} | asked
        arms = chosen_arms(["lr_l2", "none", "pretrained", "vectors", "guided"])
        recipe = lambda path: load_recipe(path, options)  # noqa: E731
        runs = runs_of_tasks(list(tasks.values()), compendium, folds, False, recipe)
        planner = Planner(Question(benchmark_settings(given), runs), compendium, list(tasks.values()), arms)
        pieces = planner.pieces(tasks["first"], survey())
        return {piece.arms: piece.basis for piece in pieces}

    return bases


def survey() -> Survey:
    rows = [{"task": "first", "k": 1, "draw": i, "train": "a|b", "test": "c|d"} for i in range(3)]
    return Survey("first", 30, 5, 5, rows, [])


def test_arms_that_depend_on_the_same_are_asked_together(bases):
    assert set(bases()) == {("lr_l2",), ("none",), ("vectors", "pretrained"), ("guided",)}


def test_a_k_without_draws_is_not_asked_and_chance_takes_its_seeds(folder: Path, tasks: Tasks, folds: Folds):
    compendium = Compendium([folder])
    config = benchmark_settings({"compendium": [folder], "tasks": folder / "tasks.csv", "seeds": 4})
    arms = chosen_arms(["lr_l2", "none"])
    runs = runs_of_tasks(list(tasks.values()), compendium, folds, False, load_recipe)
    planner = Planner(Question(config, runs), compendium, list(tasks.values()), arms)
    linear, encoder = planner.pieces(tasks["first"], survey())
    assert (linear.k, linear.draws, linear.seeds, linear.kind) == (1, (0, 1, 2), (0,), "linear")
    assert (encoder.seeds, encoder.kind) == ((0, 1, 2, 3), "encoder")
    assert encoder.run_folder == folds.run_for(tasks["first"])


def test_the_number_of_draws_and_seeds_is_no_part_of_the_basis(bases):
    assert bases() == bases(draws=3, seeds=1, k=[1])


def test_other_bytes_of_a_task_or_another_filter_make_all_its_rows_again(bases, folder: Path):
    before = bases()
    assert not set(before.values()) & set(bases(min_cpm=2.0).values())
    sheet = (folder / "samples.csv").read_text()
    (folder / "samples.csv").write_text(sheet.replace("a0", "a00"))
    assert not set(before.values()) & set(bases().values())


def test_another_study_matters_to_linear_arms_alone(bases, folder: Path):
    before = bases()
    (folder / "other.tsv.gz").write_bytes((folder / "one.tsv.gz").read_bytes())
    after = bases()
    assert {arms for arms in before if before[arms] != after[arms]} == {("lr_l2",)}


def test_a_phase_made_again_matters_to_the_arms_that_build_on_it(bases, tasks: Tasks, folds: Folds):
    before = bases()
    run = RunLayout(folds.run_for(tasks["first"]))
    run.marker("scout").write_text(json.dumps({"made": "scout 2"}))
    after = bases()
    assert {arms for arms in before if before[arms] != after[arms]} == {("guided",)}


def test_another_learning_rate_matters_to_the_encoder_alone(bases):
    before, after = bases(), bases({"finetune.learning_rate": 0.5})
    assert {arms for arms in before if before[arms] == after[arms]} == {("lr_l2",)}


def test_a_task_takes_a_run_that_never_saw_its_family(compendium: Compendium, tasks: Tasks, folds: Folds):
    runs = runs_of_tasks(list(tasks.values()), compendium, folds, False, load_recipe)
    assert set(runs) == set(tasks)
    for name, run in runs.items():
        [fold] = [fold for fold in folds.folds if fold.name == run.layout.root.name]
        assert not set(tasks[name].studies) & set(fold.corpus)
        assert run.leaks == ()


def test_where_every_run_saw_a_family_it_is_refused_or_told(
    compendium: Compendium, tasks: Tasks, folds: Folds
):
    [own] = [fold for fold in folds.folds if "Q" in fold.families]
    leaky = tuple(
        Fold(fold.name, fold.families, (), compendium.studies) if fold == own else fold
        for fold in folds.folds
    )
    seen = Folds(leaky, folds.studies_of, folds.runs)
    with pytest.raises(LeakError, match=r"task second: every run of .* learned from a study of its family Q"):
        runs_of_tasks(list(tasks.values()), compendium, seen, False, load_recipe)
    runs: dict[str, RunOfTask] = runs_of_tasks(list(tasks.values()), compendium, seen, True, load_recipe)
    assert runs["second"].layout.root.name == own.name
    [leak] = runs["second"].leaks
    assert leak.startswith("second: every run of")
    assert runs["first"].leaks == ()
