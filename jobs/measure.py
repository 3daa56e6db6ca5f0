"""The benchmark itself: survey the tasks, score what is missing in pieces, tell what was found."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from jobs.phase import Figures, Progress, completed
from jobs.run import PIPELINE
from rnalearner.config import RaySettings, load_recipe
from rnalearner.config.benchmark import BenchmarkConfig
from rnalearner.errors import RecipeError
from rnalearner.layout import BenchmarkLayout

if TYPE_CHECKING:
    import pandas as pd

    from rnalearner.benchmark.pieces import Piece, PieceStore
    from rnalearner.benchmark.plan import Planner, RunOfTask
    from rnalearner.benchmark.survey import Survey
    from rnalearner.benchmark.tasks import BenchmarkTask

SECTIONS = ("finetune", "linear", "ray")
"""Of a recipe: what a benchmark may change. With all else its runs have learned."""
Session = Callable[[], RaySettings]
"""Opens Ray at its first call: a benchmark that is complete needs none."""


def measure(
    config: BenchmarkConfig, options: Mapping[str, Any], layout: BenchmarkLayout, progress: Progress
) -> Figures:
    """Score what is missing and write tables and report; returns what is left, and what was found.

    `options` are fields of a recipe that win over those of the runs. Raises RecipeError for one of
    another section, LeakError unless leaks are allowed, and what reading tasks and runs raises.
    """
    from rnalearner.benchmark.cost import cost
    from rnalearner.benchmark.draws import write_draws
    from rnalearner.benchmark.leaks import refuse_leaks
    from rnalearner.benchmark.pieces import PieceStore
    from rnalearner.report.benchmark_page import write_benchmark

    begun = time.monotonic()
    planner, tasks = _plan(config, options)
    store = PieceStore(layout.pieces)
    with ExitStack() as stack:
        session = _session(stack, options)
        surveys = _surveys(planner, tasks, layout, session, progress)
        leaks = [leak for task in tasks for leak in planner.leaks(task)]
        leaks += [leak for task in tasks for leak in surveys[task.name].leaks]
        refuse_leaks(leaks, config.allow_leak)
        asked = [piece for task in tasks for piece in planner.pieces(task, surveys[task.name])]
        deadline = None if config.seconds is None else begun + config.seconds
        left = _score(planner, asked, store, deadline, session, progress)
        permutation, permutations_left = _permute(planner, surveys, layout, deadline, session, progress)
    results, waiting = store.gathered(asked)
    write_draws(layout.draws, [surveys[task.name].table for task in tasks])
    told = {
        "settings": config.model_dump(mode="json"),
        "options": {name: value for name, value in options.items() if not name.startswith("ray.")},
        "asked": [planner.told(task, surveys[task.name]) for task in tasks],
        "kinds": planner.arms.kinds,
        "folds": planner.told_folds(),
        "of_a_run": bool(planner.runs),
        "leaks": leaks,
        "left": {"pieces": left, "permutations": permutations_left, "cells": waiting},
        "cost": cost(store.told(asked)),
    }
    summary = write_benchmark(layout, results, permutation, told)
    return {
        "pieces_left": left + permutations_left,
        "verdict": summary["verdict"],
        "report": str(layout.report),
    }


def _plan(config: BenchmarkConfig, options: Mapping[str, Any]) -> "tuple[Planner, tuple[BenchmarkTask, ...]]":
    for name in options:
        if name.split(".")[0] not in SECTIONS:
            remedy = "give it to `rnalearner benchmark prepare`"
            raise RecipeError(f"--{name}", "is settled when the runs are made", remedy)
    from rnalearner.benchmark.chosen_arms import chosen_arms
    from rnalearner.benchmark.compendium import Compendium
    from rnalearner.benchmark.families import with_families
    from rnalearner.benchmark.folds import Folds
    from rnalearner.benchmark.plan import Planner, Question, runs_of_tasks
    from rnalearner.benchmark.tasks import read_tasks

    arms = chosen_arms(config.arms)
    if arms.of_a_run and config.runs is None:
        what = f"is not given, and {arms.of_a_run[0]} starts from what a run learned"
        raise RecipeError("--runs", what, "make runs with `rnalearner benchmark prepare`")
    compendium = Compendium(config.compendium)
    tasks = with_families(read_tasks(config.tasks), compendium)
    runs: dict[str, RunOfTask] = {}
    if arms.of_a_run and config.runs is not None:
        folds = Folds.load(config.runs)
        runs = runs_of_tasks(
            tasks, compendium, folds, config.allow_leak, lambda recipe: load_recipe(recipe, options)
        )
        _check_complete(runs.values(), arms.phases)
    return Planner(Question(config, runs), compendium, tasks, arms), tasks


def _check_complete(runs: "Iterable[RunOfTask]", phases: Iterable[str]) -> None:
    """Raises RecipeError where a phase was made by another recipe than the run's, or not at all."""
    for run in {run.layout.root: run for run in runs}.values():
        for phase in phases:
            if completed(PIPELINE[phase], PIPELINE, run.config, run.layout) is None:
                what, remedy = f"has no complete phase {phase}", f"prepare it with --phases {phase}"
                raise RecipeError(run.layout.root, what, f"{remedy}, or leave out the arms that need it")


def _session(stack: ExitStack, options: Mapping[str, Any]) -> Session:
    ray = {name: value for name, value in options.items() if name.startswith("ray.")}
    settings: RaySettings = load_recipe(None, ray).ray
    opened: list[RaySettings] = []

    def session() -> RaySettings:
        if not opened:
            from cluster.local import ray_session

            stack.enter_context(ray_session(settings))
            opened.append(settings)
        return settings

    return session


def _surveys(
    planner: "Planner",
    tasks: "tuple[BenchmarkTask, ...]",
    layout: BenchmarkLayout,
    session: Session,
    progress: Progress,
) -> "dict[str, Survey]":
    """Task -> its survey; those that were taken before are read."""
    from cluster.benchmarking import take_surveys
    from rnalearner.benchmark.survey import Survey

    paths = {task.name: layout.surveys / f"{planner.survey_key(task)}.json" for task in tasks}
    stored = {name: Survey.load(path) for name, path in paths.items()}
    surveys = {name: survey for name, survey in stored.items() if survey is not None}
    new = [task for task in tasks if task.name not in surveys]
    if new:
        for task, survey in take_surveys(planner.question, session(), new):
            survey.save(paths[task.name])
            surveys[task.name] = survey
            progress("tasks", len(surveys), len(tasks), task.name)
    return surveys


def _score(
    planner: "Planner",
    asked: "list[Piece]",
    store: "PieceStore",
    deadline: float | None,
    session: Session,
    progress: Progress,
) -> int:
    """Score what is missing until the deadline; returns how many pieces are left."""
    from cluster.benchmarking import score_pieces

    most = planner.config.draws_per_piece
    missing = [left for piece in asked for left in store.missing(piece, most)]
    if not missing:
        return 0
    done = 0
    progress("pieces", done, len(missing))
    for piece, rows, told in score_pieces(planner.question, session(), missing, deadline):
        store.save(piece, rows, told)
        done += 1
        progress("pieces", done, len(missing), str(piece))
    return len(missing) - done


def _permute(
    planner: "Planner",
    surveys: "Mapping[str, Survey]",
    layout: BenchmarkLayout,
    deadline: float | None,
    session: Session,
    progress: Progress,
) -> "tuple[pd.DataFrame, int]":
    """The table of permuted labels and, after the deadline, how many tasks and arms it lacks."""
    import pandas as pd

    from cluster.benchmarking import permute_labels
    from rnalearner.benchmark.permutation import PERMUTED_K
    from rnalearner.spreadsheet import read_csv, write_csv

    paths = {
        (survey.task, arm): layout.pieces / f"permutation-{planner.permutation_key(survey.task, arm)}.csv"
        for survey in surveys.values()
        for arm in planner.permuted
        if survey.numbers(PERMUTED_K)
    }
    new = [(task, arm) for (task, arm), path in paths.items() if not path.exists()]
    if new:
        jobs = [(planner.tasks[name], arm) for name, arm in new]
        found = permute_labels(planner.question, session(), jobs, deadline)
        for done, ((task, arm), table) in enumerate(found, start=1):
            write_csv(paths[task.name, arm], table)
            progress("permutations", done, len(new), f"{task.name}, {arm}")
    tables = [read_csv(path, keep_default_na=False) for path in paths.values() if path.exists()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), len(paths) - len(tables)
