"""What a run can be asked: its linear classifiers, its encoders, or both."""

from dataclasses import dataclass

from rnalearner.config import PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.finetune.classifier import EncoderIndex
from rnalearner.finetune.method import Method
from rnalearner.layout import RunLayout
from rnalearner.linear.index import INDEX
from rnalearner.linear.stored import LinearIndex, Training


@dataclass(frozen=True)
class Classifiers:
    """Of one run; at least one of the two is there."""

    layout: RunLayout
    linear: LinearIndex | None
    encoders: EncoderIndex | None

    @classmethod
    def of(cls, layout: RunLayout) -> "Classifiers":
        """Raises CheckpointError where there are none, where an index is damaged, or where the two are
        of different genes or classes."""
        here, there = layout.linear_classifiers, layout.classifiers
        linear = LinearIndex.load(here) if (here / INDEX).is_file() else None
        encoders = EncoderIndex.load(there) if (there / INDEX).is_file() else None
        if linear is None and encoders is None:
            remedy = (
                "name the folder of a run in which `rnalearner linear` or `rnalearner finetune` has ended"
            )
            raise CheckpointError(layout.root, "there are no classifiers here", remedy)
        found = cls(layout, linear, encoders)
        if linear is not None and encoders is not None:
            shared = linear.tasks.keys() & encoders.tasks.keys()
            same = all(linear.tasks[task] == encoders.tasks[task] for task in shared)
            if linear.gene_set != encoders.gene_set or not same:
                what = "its linear classifiers and its encoders are of different genes or classes"
                remedy = "run `rnalearner linear` and `rnalearner finetune` again"
                raise CheckpointError(layout.root, what, remedy)
        return found

    @property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """The classes' names of every task."""
        return {
            task: classes
            for index in (self.linear, self.encoders)
            if index is not None
            for task, classes in index.tasks.items()
        }

    @property
    def gene_set(self) -> GeneSet:
        return self._any.gene_set

    @property
    def preprocessing(self) -> PreprocessingConfig:
        return self._any.preprocessing

    def methods(self, task: str) -> list[Method]:
        """Which of the two know the task, the linear one first."""
        found: list[Method] = []
        if self.linear is not None and task in self.linear.tasks:
            found.append("linear")
        if self.encoders is not None and task in self.encoders.tasks:
            found.append("encoder")
        return found

    def training(self, task: str) -> Training:
        """What the task's classifiers learned from."""
        layout = self.layout
        folder = layout.linear_classifiers if "linear" in self.methods(task) else layout.classifiers
        return Training.load(folder / task, self.gene_set, self.tasks[task])

    def centring(self, method: Method) -> bool:
        """Whether such classifiers subtract the cohort's own mean."""
        index = self.linear if method == "linear" else self.encoders
        return index is not None and index.settings.cohort_centring

    @property
    def _any(self) -> LinearIndex | EncoderIndex:
        index = self.encoders or self.linear
        assert index is not None  # noqa: S101 - `of` refuses a run without any
        return index
