"""What fine-tuning learned, stored so that new samples can be asked.

A run's folder of classifiers: an index (`rnalearner.linear.index`), `<task>/training` (what a linear
rival learns from) and one checkpoint a run in `<task>/<arm>/<seed>`, which needs nothing beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rnalearner.checkpoint import check_same, load_checkpoint, save_checkpoint
from rnalearner.config import FinetuneConfig, ModelConfig, PreprocessingConfig
from rnalearner.config.section import Section
from rnalearner.errors import CheckpointError
from rnalearner.finetune.model import FewShotModel
from rnalearner.linear.index import Index
from rnalearner.model.build import new_encoder
from rnalearner.model.heads import SampleClassifier


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
            raise CheckpointError(folder, f"is no classifier ({error})", EncoderIndex.remake()) from None
        return cls(model.eval(), meta)


class EncoderIndex(Index[FinetuneConfig]):
    """The fine-tuned encoders of a run, with the arms in their order, and the number of seeds."""

    phase: ClassVar[str] = "finetune"
    section: ClassVar[type[Section]] = FinetuneConfig

    @property
    def arms(self) -> tuple[str, ...]:
        return self.settings.arms

    @property
    def seeds(self) -> int:
        return self.settings.seeds

    def classifier(self, folder: Path, task: str, arm: str, seed: int) -> Classifier:
        """Read one; raises CheckpointError where it is missing, damaged or of other genes or classes."""
        expected = {"gene_set": self.gene_set.sha256, "classes": list(self.tasks[task])}
        return Classifier.load(folder / task / arm / str(seed), expected)
