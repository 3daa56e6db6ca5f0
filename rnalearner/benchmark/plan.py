"""From what is asked to pieces: which run each task takes, and what its rows depend on."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import rnalearner
from rnalearner.benchmark import encoder_arms
from rnalearner.benchmark.chosen_arms import ChosenArms
from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.families import related_studies
from rnalearner.benchmark.folds import Folds
from rnalearner.benchmark.linear_arms import STOCHASTIC
from rnalearner.benchmark.pieces import Kind, Piece, fingerprint
from rnalearner.benchmark.survey import Survey
from rnalearner.benchmark.tasks import BenchmarkTask
from rnalearner.config import RunConfig
from rnalearner.config.benchmark import BenchmarkConfig
from rnalearner.errors import LeakError
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of

_READ_BY_ENCODER = ("finetune", "linear", "model", "preprocessing")
"""Sections of the recipe that fine-tuning reads, beside what the phases left."""


@dataclass(frozen=True)
class RunOfTask:
    """The run that a task is asked of, and its recipe."""

    layout: RunLayout
    config: RunConfig
    leaks: tuple[str, ...] = ()
    """Why no run fits, where leaks are allowed."""

    def made(self, phases: Sequence[str]) -> dict[str, str]:
        """Which making of each phase there is; they must be complete."""
        return {phase: json.loads(self.layout.marker(phase).read_text())["made"] for phase in phases}


def runs_of_tasks(
    tasks: Sequence[BenchmarkTask],
    compendium: Compendium,
    folds: Folds,
    allow_leak: bool,
    recipe: Callable[[Path], RunConfig],
) -> dict[str, RunOfTask]:
    """Task -> the run that never saw its family; raises LeakError where there is none, unless allowed."""
    related, found = related_studies(tasks, compendium), {}
    for task in tasks:
        leaks: tuple[str, ...] = ()
        try:
            fold = folds.fold_for(task, related[task.name])
        except LeakError as error:
            if not allow_leak:
                raise
            own = [fold for fold in folds.folds if task.family in fold.families]
            fold, leaks = (*own, *folds.folds)[0], (f"{task.name}: {error.what}",)
        layout = RunLayout(folds.runs / fold.name)
        found[task.name] = RunOfTask(layout, recipe(layout.recipe), leaks)
    return found


@dataclass(frozen=True)
class Question:
    """What every job of one benchmark is told."""

    config: BenchmarkConfig
    """Its paths are absolute: workers run in folders of their own."""
    runs: Mapping[str, RunOfTask]
    """Task -> its run; empty where no arm starts from one."""


class _Group(NamedTuple):
    """Arms whose rows depend on the same."""

    kind: Kind
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    basis: str


class Planner:
    """Knows what the rows of each kind of arm depend on."""

    def __init__(
        self, question: Question, compendium: Compendium, tasks: Sequence[BenchmarkTask], arms: ChosenArms
    ) -> None:
        self.question, self.compendium, self.arms = question, compendium, arms
        self.tasks = {task.name: task for task in tasks}
        self.config, self.runs = question.config, question.runs
        self._digests = {study: self._digest(study) for study in compendium.studies}

    def leaks(self, task: BenchmarkTask) -> tuple[str, ...]:
        """Why no run fits, where leaks are allowed."""
        return self.runs[task.name].leaks if task.name in self.runs else ()

    def told(self, task: BenchmarkTask, survey: Survey) -> dict[str, Any]:
        """What a reader wants to know of a task and of the run that it takes."""
        run = self.runs.get(task.name)
        return {
            **asdict(task),
            "samples": {"positive": survey.positive, "negative": survey.negative},
            "genes": survey.genes,
            "draws": {str(k): len(survey.numbers(k)) for k in self.config.k},
            "run": None if run is None else run.layout.root.name,
            "left_out": None if run is None else list(run.config.data.exclude),
        }

    def told_folds(self) -> list[dict[str, Any]]:
        """Each run that is asked: its tasks, and the studies that its corpus leaves out."""
        folds: dict[Path, dict[str, Any]] = {}
        for task, run in self.runs.items():
            own = {"run": run.layout.root.name, "left_out": list(run.config.data.exclude), "tasks": []}
            folds.setdefault(run.layout.root, own)["tasks"].append(task)
        return [folds[root] for root in sorted(folds)]

    def survey_key(self, task: BenchmarkTask) -> str:
        """Names what is stored of a task's survey."""
        asked = {"k": self.config.k, "draws": self.config.draws}
        run = self.runs.get(task.name)
        made = {} if run is None else run.made(["ingest"])
        return fingerprint(self._basis(task, task.studies) | {"asked": asked, "made": made})

    def pieces(self, task: BenchmarkTask, survey: Survey) -> list[Piece]:
        """All that is asked of a task, a piece a k and group of arms that depend on the same."""
        run = self._run(task)
        return [
            Piece(group.kind, task, k, group.arms, survey.numbers(k), group.seeds, group.basis, run)
            for group in self._groups(task)
            for k in self.config.k
            if survey.numbers(k)
        ]

    @property
    def permuted(self) -> tuple[str, ...]:
        """The arms whose labels are permuted: those that were named for it, of those that run."""
        return tuple(arm for arm in (*self.arms.linear, *self.arms.guided) if arm in self.config.permutations)

    def permutation_key(self, task: str, arm: str) -> str:
        """Names what is stored of an arm's permuted labels."""
        basis = next(group.basis for group in self._groups(self.tasks[task]) if arm in group.arms)
        return fingerprint({"basis": basis, "arm": arm})

    def _groups(self, task: BenchmarkTask) -> Iterator[_Group]:
        # One linear arm learns components from all other studies of the first folder.
        others = self.compendium.studies_of(self.compendium.folders[0])
        yield from self._linear("linear", self.arms.linear, self._basis(task, (*task.studies, *others)))
        run = self.runs.get(task.name)
        if run is None:
            return
        recipe, basis = run.config.model_dump(mode="json"), self._basis(task, task.studies)
        if self.arms.guided:
            own = {"made": run.made(["genes"]), "linear": recipe["linear"]}
            yield from self._linear("guided", self.arms.guided, basis | own)
        by_phases: dict[tuple[str, ...], list[str]] = {}
        for arm in self.arms.encoder:
            by_phases.setdefault(encoder_arms.needs(arm), []).append(arm)
        for phases, arms in by_phases.items():
            own = {"made": run.made(phases), "sections": {name: recipe[name] for name in _READ_BY_ENCODER}}
            yield _Group("encoder", tuple(arms), self._seeds, fingerprint(basis | own))

    def _linear(self, kind: Kind, arms: Sequence[str], basis: Mapping[str, Any]) -> Iterator[_Group]:
        for chance, seeds in ((False, (0,)), (True, self._seeds)):
            chosen = tuple(arm for arm in arms if (arm in STOCHASTIC) == chance)
            if chosen:
                yield _Group(kind, chosen, seeds, fingerprint(basis))

    @property
    def _seeds(self) -> tuple[int, ...]:
        return tuple(range(self.config.seeds))

    def _run(self, task: BenchmarkTask) -> Path | None:
        run = self.runs.get(task.name)
        return None if run is None else run.layout.root

    def _basis(self, task: BenchmarkTask, studies: Sequence[str]) -> dict[str, Any]:
        return {
            "version": rnalearner.__version__,
            "task": asdict(task),
            "min_cpm": self.config.min_cpm,
            "studies": {study: self._digests[study] for study in studies},
        }

    def _digest(self, study: str) -> dict[str, str]:
        rows = self.compendium.rows(study).drop(columns="folder")
        said = rows.loc[:, (rows != "").any()]  # another folder's columns are none of its business
        path = self.compendium.path(study)
        return {"counts": sha256_of(path) if path.is_file() else "", "sheet": said.to_csv(index=False)}
