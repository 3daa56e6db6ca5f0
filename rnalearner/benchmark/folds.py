"""Folds of whole families: each task is asked of a run that never saw its family.

A fold's run is RUNS/<name>, an ordinary run whose corpus leaves the fold's studies out; `folds.json`
beside the runs says which.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.families import families, related_studies
from rnalearner.benchmark.tasks import BenchmarkTask
from rnalearner.errors import LeakError, RecipeError
from rnalearner.publish import write_json

FILE = "folds.json"


@dataclass(frozen=True)
class Fold:
    """What one run leaves out."""

    name: str
    families: tuple[str, ...]
    left_out: tuple[str, ...]
    """The families' studies, and every study that shares a subject with one of them."""
    corpus: tuple[str, ...]
    """The studies that the run may see."""


@dataclass(frozen=True)
class Folds:
    """All folds, and what each family asks to be left out."""

    folds: tuple[Fold, ...]
    studies_of: dict[str, tuple[str, ...]]
    """Family -> studies that its run must not see."""
    runs: Path = Path()
    """The folder of the runs."""

    def save(self, runs: Path) -> None:
        """Write `folds.json` beside the runs."""
        folds = [asdict(fold) for fold in self.folds]
        write_json(runs / FILE, {"folds": folds, "families": self.studies_of})

    @classmethod
    def load(cls, runs: Path) -> "Folds":
        """Read RUNS/folds.json; raises RecipeError where it is missing or damaged."""
        path = Path(runs) / FILE
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            folds = tuple(
                Fold(str(fold["name"]), *(tuple(fold[field]) for field in ("families", "left_out", "corpus")))
                for fold in stored["folds"]
            )
            studies_of = {family: tuple(studies) for family, studies in stored["families"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"is no table of folds ({type(error).__name__}: {error})"
            raise RecipeError(path, what, "make the runs with `rnalearner benchmark prepare`") from None
        return cls(folds, studies_of, Path(runs))

    def fold_for(self, task: BenchmarkTask, studies: Iterable[str] | None = None) -> Fold:
        """The fold whose run may be asked about `task`: its family's, else the first that fits.

        `studies`: what the run must not have seen (`related_studies`); without it what `folds.json`
        says of the family, else the task's own. Raises LeakError where every run saw some of them.
        """
        unseen = set(self.studies_of.get(task.family, ()) if studies is None else studies)
        unseen |= set(task.studies)
        fitting = [fold for fold in self.folds if not unseen & set(fold.corpus)]
        if not fitting:
            what = f"every run of {self.runs / FILE} learned from a study of its family {task.family}"
            remedy = "make the runs anew for these tasks with `rnalearner benchmark prepare`"
            raise LeakError(f"task {task.name}", what, remedy)
        return next((fold for fold in fitting if task.family in fold.families), fitting[0])

    def run_for(self, task: BenchmarkTask, studies: Iterable[str] | None = None) -> Path:
        """The folder of the run that `fold_for` chooses."""
        return self.runs / self.fold_for(task, studies).name


def make_folds(tasks: Sequence[BenchmarkTask], compendium: Compendium, n: int = 5) -> Folds:
    """Deal whole families to `n` folds: the largest first, each to the fold with the fewest samples.

    Fewer families than folds make fewer folds. Raises RecipeError for fewer than one fold, and where a
    fold would leave no study to learn from.
    """
    if n < 1:
        raise RecipeError("folds", f"{n} were asked for", "ask for one or more")
    family_of, related = families(tasks, compendium), related_studies(tasks, compendium)
    studies_of = {family_of[task.name]: related[task.name] for task in tasks}
    size_of = {
        family: sum(len(compendium.rows(study)) for study in studies)
        for family, studies in studies_of.items()
    }
    dealt: list[list[str]] = [[] for _ in range(min(n, len(studies_of)))]
    for family in sorted(size_of, key=lambda family: (-size_of[family], family)):
        min(dealt, key=lambda fold: sum(size_of[other] for other in fold)).append(family)
    folds = []
    for number, chosen in enumerate(dealt):
        left_out = {study for family in chosen for study in studies_of[family]}
        corpus = tuple(study for study in compendium.studies if study not in left_out)
        if not corpus:
            what = f"fold {number} leaves every study out ({', '.join(sorted(left_out))})"
            raise RecipeError("folds", what, "ask for more folds, or add studies to the compendium")
        folds.append(Fold(f"fold-{number}", tuple(sorted(chosen)), tuple(sorted(left_out)), corpus))
    return Folds(tuple(folds), studies_of)
