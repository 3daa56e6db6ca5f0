"""What the linear learner learned, stored so that new samples can be asked.

A run's folder of linear classifiers: an index (`rnalearner.linear.index`), and for each task
`<task>/model` (weights, and what they stand for) and `<task>/training` (what a linear rival learns
from). Shapes: n samples, g genes, c classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from rnalearner.checkpoint import check_same, load_checkpoint, save_checkpoint
from rnalearner.config import LinearConfig
from rnalearner.config.section import Section
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.linear.guided import GuidedLinear
from rnalearner.linear.index import TRAINING, Index

MODEL = "model"


class LinearIndex(Index[LinearConfig]):
    """The linear classifiers of a run."""

    phase: ClassVar[str] = "linear"
    section: ClassVar[type[Section]] = LinearConfig

    def classifier(self, folder: Path, task: str) -> "StoredLinear":
        """Read one; raises CheckpointError where it is missing, damaged or of other genes or classes."""
        expected = {"gene_set": self.gene_set.sha256, "classes": list(self.tasks[task])}
        return StoredLinear.load(folder / task / MODEL, expected)


@dataclass(frozen=True, eq=False)
class StoredLinear:
    """One linear classifier and what it says of itself.

    `meta`: gene_set (of the run whose genes it was chosen from), classes (names, in the order of the
    class numbers), train (study, samples, size of the cohort), linear (its settings), guide (what the
    gene guide says of itself and its sha256, or None).
    """

    model: GuidedLinear
    meta: dict[str, Any]

    def save(self, folder: Path) -> str:
        """Store it, whole or not at all; returns the sha256 of the numbers.

        The model's arrays become tensors, everything else stands in the manifest.
        """
        values = {field.name: getattr(self.model, field.name) for field in fields(self.model)}
        tensors = {name: torch.from_numpy(v) for name, v in values.items() if isinstance(v, np.ndarray)}
        plain = {name: _plain(value) for name, value in values.items() if name not in tensors}
        return save_checkpoint(folder, tensors, {**self.meta, "model": plain})

    @classmethod
    def load(cls, folder: Path, expected: Mapping[str, Any] | None = None) -> "StoredLinear":
        """Read it back; raises CheckpointError where it is damaged, or `meta` is not as `expected`."""
        tensors, meta = load_checkpoint(folder)
        check_same(folder, meta, expected or {})
        try:
            values: dict[str, Any] = dict(meta.pop("model"))
            values["genes"] = tuple(map(str, values["genes"]))
            values |= {name: value.numpy() for name, value in tensors.items()}
            model = GuidedLinear(**values)
            _check(model, len(meta["classes"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                folder, f"is no linear classifier ({error})", LinearIndex.remake()
            ) from None
        return cls(model, meta)


def _plain(value: Any) -> Any:
    """As JSON holds it."""
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _check(model: GuidedLinear, n_classes: int) -> None:
    """Raises ValueError where the parts do not fit together."""
    rows, g = 1 if n_classes == 2 else n_classes, len(model.genes)
    wanted = {"weight_cg": (rows, g), "bias_c": (rows,), "centre_g": (g,), "guide_g": (g,)}
    for name, shape in wanted.items():
        if getattr(model, name).shape != shape:
            raise ValueError(f"{name} is {getattr(model, name).shape}, not {shape}")
    if not (np.isfinite(model.weight_cg).all() and np.isfinite(model.bias_c).all()):
        raise ValueError("a weight is not finite")


@dataclass(frozen=True, eq=False)
class Training:
    """The training samples of a task, for a linear rival: log2(CPM + 1) with NaN for "not measured"."""

    log2_cpm_ng: np.ndarray
    y_n: np.ndarray

    def save(self, folder: Path, gene_set: GeneSet, classes: Sequence[str]) -> None:
        """Beside the classifiers of a task, whose folder this is."""
        tensors = {"log2_cpm_ng": torch.from_numpy(self.log2_cpm_ng), "y_n": torch.from_numpy(self.y_n)}
        save_checkpoint(folder / TRAINING, tensors, {"gene_set": gene_set.sha256, "classes": list(classes)})

    @classmethod
    def load(cls, folder: Path, gene_set: GeneSet, classes: Sequence[str]) -> "Training":
        """Read it back; raises CheckpointError where it is damaged, or of other genes or classes."""
        tensors, meta = load_checkpoint(folder / TRAINING)
        check_same(folder / TRAINING, meta, {"gene_set": gene_set.sha256, "classes": list(classes)})
        return cls(tensors["log2_cpm_ng"].numpy(), tensors["y_n"].numpy())
