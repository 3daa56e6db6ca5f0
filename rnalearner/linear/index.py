"""Which classifiers a phase has stored, and what they share: `genes.txt` and `index.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

from rnalearner.config import PreprocessingConfig
from rnalearner.config.section import Section
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError, GeneError
from rnalearner.publish import write_json, write_text

GENES, INDEX, TRAINING = "genes.txt", "index.json", "training"
Settings = TypeVar("Settings", bound=Section)


@dataclass(frozen=True)
class Index(Generic[Settings]):
    """The tasks of a run's classifiers; a subclass for each phase that makes some."""

    tasks: dict[str, tuple[str, ...]]
    """The classes' names of every task."""
    preprocessing: PreprocessingConfig
    settings: Settings
    """What they were learned with."""
    gene_set: GeneSet

    phase: ClassVar[str]
    """Its verb, and the name of its settings in the index and in a recipe."""
    section: ClassVar[type[Section]]

    def save(self, folder: Path) -> None:
        """Write genes.txt and index.json; call it once all classifiers are there."""
        write_text(folder / GENES, "".join(f"{gene}\n" for gene in self.gene_set.ids))
        content = {
            "tasks": self.tasks,
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            self.phase: self.settings.model_dump(mode="json"),
            "gene_set": self.gene_set.sha256,
        }
        write_json(folder / INDEX, content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read it back; raises CheckpointError where there are no classifiers, or it is damaged."""
        if not (folder / INDEX).is_file():
            remedy = f"name the folder of a run in which `rnalearner {cls.phase}` has ended"
            raise CheckpointError(folder, "there are no classifiers here", remedy)
        try:
            content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            gene_set = GeneSet(tuple((folder / GENES).read_text(encoding="utf-8").split()))
            tasks = {str(task): tuple(map(str, classes)) for task, classes in content["tasks"].items()}
            preprocessing = PreprocessingConfig.model_validate(content["preprocessing"])
            settings = cls.section.model_validate(content[cls.phase])
            known = content["gene_set"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, GeneError) as error:
            raise CheckpointError(folder / INDEX, f"cannot be read ({error})", cls.remake()) from None
        if gene_set.sha256 != known:
            what = "these are not the genes of the classifiers"
            raise CheckpointError(folder / GENES, what, cls.remake())
        return cls(tasks, preprocessing, settings, gene_set)  # type: ignore[arg-type]

    @classmethod
    def remake(cls) -> str:
        return f"restore it, or run `rnalearner {cls.phase}` again"
