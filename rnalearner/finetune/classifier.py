"""What fine-tuning learned, stored so that new samples can be asked.

A run's folder of classifiers: `genes.txt` (the model's genes in their order), `index.json` (tasks, arms
and seeds, written last), `<task>/training` (what a linear rival learns from) and one checkpoint a run
in `<task>/<arm>/<seed>`, which needs nothing beside it. Shapes: n samples, g genes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnalearner.checkpoint import check_same, load_checkpoint, save_checkpoint
from rnalearner.config import FinetuneConfig, ModelConfig, PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError, GeneError
from rnalearner.finetune.model import FewShotModel
from rnalearner.model.build import new_encoder
from rnalearner.model.heads import SampleClassifier
from rnalearner.publish import write_json, write_text

GENES, INDEX, TRAINING = "genes.txt", "index.json", "training"
REMAKE = "restore it, or run `rnalearner finetune` again"


@dataclass(frozen=True, eq=False)
class Classifier:
    """One trained model and what it says of itself.

    `meta`: gene_set, scale, n_bins, model (its identity), preprocessing, finetune (the settings it was
    trained with), classes (names, in the order of the class numbers), train (study and samples),
    base_checkpoint and guide (sha256, or None), epoch_scored.
    """

    model: FewShotModel
    meta: dict[str, Any]

    def save(self, folder: Path) -> str:
        """Store encoder, head and unit as one, whole or not at all; returns the sha256."""
        return save_checkpoint(folder, self.model.state_dict(), self.meta)

    @classmethod
    def load(cls, folder: Path, expected: Mapping[str, Any] | None = None) -> "Classifier":
        """Read it back; raises CheckpointError where it is damaged, or `meta` is not as `expected`."""
        tensors, meta = load_checkpoint(folder)
        check_same(folder, meta, expected or {})
        try:
            config = FinetuneConfig.model_validate(meta["finetune"])
            vectors_gd = tensors["encoder.gene_vectors_gd"]
            encoder = new_encoder(
                ModelConfig.model_validate(meta["model"]),
                PreprocessingConfig.model_validate(meta["preprocessing"]),
                vectors_gd,
                seed=0,
            )
            head = SampleClassifier(encoder.gene_vectors_gd, config.head, len(meta["classes"]))
            model = FewShotModel(encoder, head, config)
            model.load_state_dict(tensors)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(folder, f"is no classifier ({error})", REMAKE) from None
        return cls(model.eval(), meta)


@dataclass(frozen=True, eq=False)
class Training:
    """The training samples of a task, for a linear rival: log2(CPM + 1) with NaN for "not measured"."""

    log2_cpm_ng: np.ndarray
    y_n: np.ndarray

    def save(self, folder: Path, gene_set: GeneSet, classes: Sequence[str]) -> None:
        tensors = {"log2_cpm_ng": torch.from_numpy(self.log2_cpm_ng), "y_n": torch.from_numpy(self.y_n)}
        save_checkpoint(folder, tensors, {"gene_set": gene_set.sha256, "classes": list(classes)})

    @classmethod
    def load(cls, folder: Path, gene_set: GeneSet, classes: Sequence[str]) -> "Training":
        """Read it back; raises CheckpointError where it is damaged, or of other genes or classes."""
        tensors, meta = load_checkpoint(folder)
        check_same(folder, meta, {"gene_set": gene_set.sha256, "classes": list(classes)})
        return cls(tensors["log2_cpm_ng"].numpy(), tensors["y_n"].numpy())


@dataclass(frozen=True)
class Index:
    """Which classifiers a run has, and what they share."""

    tasks: dict[str, tuple[str, ...]]
    """The classes' names of every task."""
    preprocessing: PreprocessingConfig
    finetune: FinetuneConfig
    """With the arms in their order, and the number of seeds."""
    gene_set: GeneSet

    @property
    def arms(self) -> tuple[str, ...]:
        return self.finetune.arms

    @property
    def seeds(self) -> int:
        return self.finetune.seeds

    def classifier(self, folder: Path, task: str, arm: str, seed: int) -> Classifier:
        """Read one; raises CheckpointError where it is missing, damaged or of other genes or classes."""
        expected = {"gene_set": self.gene_set.sha256, "classes": list(self.tasks[task])}
        return Classifier.load(folder / task / arm / str(seed), expected)

    def save(self, folder: Path) -> None:
        """Write genes.txt and index.json; call it once all classifiers are there."""
        write_text(folder / GENES, "".join(f"{gene}\n" for gene in self.gene_set.ids))
        content = {
            "tasks": self.tasks,
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "finetune": self.finetune.model_dump(mode="json"),
            "gene_set": self.gene_set.sha256,
        }
        write_json(folder / INDEX, content)

    @classmethod
    def load(cls, folder: Path) -> "Index":
        """Read it back; raises CheckpointError where there are no classifiers, or it is damaged."""
        if not (folder / INDEX).is_file():
            remedy = "name the folder of a run in which `rnalearner finetune` has ended"
            raise CheckpointError(folder, "there are no classifiers here", remedy)
        try:
            content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            gene_set = GeneSet(tuple((folder / GENES).read_text(encoding="utf-8").split()))
            tasks = {str(task): tuple(map(str, classes)) for task, classes in content["tasks"].items()}
            preprocessing = PreprocessingConfig.model_validate(content["preprocessing"])
            finetune = FinetuneConfig.model_validate(content["finetune"])
            known = content["gene_set"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, GeneError) as error:
            raise CheckpointError(folder / INDEX, f"cannot be read ({error})", REMAKE) from None
        if gene_set.sha256 != known:
            raise CheckpointError(folder / GENES, "these are not the genes of the classifiers", REMAKE)
        return cls(tasks, preprocessing, finetune, gene_set)
