"""What a trial of fine-tuning settings is judged by: cross-entropy on samples that it did not learn from.

The test side is not among these samples, and nothing here could ask for it. Shapes: n samples, g genes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rnalearner.config import FinetuneConfig, TuneConfig
from rnalearner.errors import RecipeError
from rnalearner.finetune.fewshot import FewShotTask
from rnalearner.finetune.folds import held_out_parts
from rnalearner.finetune.train import LabelledTokens, finetune
from rnalearner.guide.scaling import Guide
from rnalearner.model.activations import stored_activations
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.prefix import FrozenPrefix

WORST_LOSS = 100.0
"""Nats: what a trial that diverged scores. Searchers need a number."""


@dataclass(frozen=True)
class Question:
    """Samples, and which of them are learned from and held out, in each of one or more parts."""

    rows_n: np.ndarray
    """Rows of the shards."""
    y_n: np.ndarray
    n_classes: int
    parts: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Places in `rows_n` that are learned from, and that are held out."""


def ask(task: FewShotTask, tune: TuneConfig) -> Question:
    """The samples that `tune.objective` names; raises RecipeError where the task has too few, or none."""
    train = task.train
    n_train = len(train.y_n)
    if tune.objective == "folds":
        rng = np.random.default_rng(tune.seed)
        held = held_out_parts(train.y_n, train.subjects, tune.folds, rng)
        parts = tuple((np.setdiff1d(np.arange(n_train), part), part) for part in held)
        return Question(train.rows, train.y_n, task.n_classes, parts)
    if task.validation is None:
        what = f"is `validation`, and task {task.config.name} declares no validation study"
        raise RecipeError("tune.objective", what, "declare one, or set it to `folds`")
    rows_n = np.concatenate([train.rows, task.validation.rows])
    y_n = np.concatenate([train.y_n, task.validation.y_n])
    place_n = np.arange(len(rows_n))
    return Question(rows_n, y_n, task.n_classes, ((place_n[:n_train], place_n[n_train:]),))


@dataclass(frozen=True)
class Learner:
    """An encoder to fine-tune, and the seed of its head and its order of samples."""

    seed: int
    encoder: ExpressionEncoder


def rungs(epochs: int, grace: int, factor: int) -> list[int]:
    """Epochs after which a trial of `epochs` is judged: grace, grace x factor, ..., and the last."""
    found = [epochs]
    rung = grace
    while rung < epochs:
        found.append(rung)
        rung *= factor
    return sorted(found)


def judge(
    question: Question,
    tokens_ng: Tensor,
    learners: Sequence[Learner],
    config: FinetuneConfig,
    at_epochs: Sequence[int],
    guide: Guide | None = None,
    activations: Path | None = None,
) -> Iterator[tuple[int, float, float]]:
    """Epoch, loss (nats) and accuracy after each of `at_epochs`: means over held-out samples and learners.

    Every part is at the same epoch when a score is told, so that a poor trial can be ended there. To
    get there each rung is trained from the start: the rate depends on the epoch alone, so it passes
    through the same weights.
    """
    prefixes = [_prefix(tokens_ng, learner.encoder, config, activations) for learner in learners]
    weights = [len(held) for _ in learners for _, held in question.parts]
    for epochs in at_epochs:
        settings = config.model_copy(update={"epochs": epochs, "evaluate_every": epochs, "select": "last"})
        scores = [
            _held_out(question, part, tokens_ng, learner, settings, guide, prefix)
            for learner, prefix in zip(learners, prefixes, strict=True)
            for part in question.parts
        ]
        loss, accuracy = np.average(np.array(scores), axis=0, weights=weights)
        yield epochs, min(float(loss), WORST_LOSS) if math.isfinite(loss) else WORST_LOSS, float(accuracy)


def _held_out(
    question: Question,
    part: tuple[np.ndarray, np.ndarray],
    tokens_ng: Tensor,
    learner: Learner,
    config: FinetuneConfig,
    guide: Guide | None,
    prefix: FrozenPrefix | None,
) -> tuple[float, float]:
    """Loss and accuracy of a part's held-out samples after the last epoch."""
    rows = {"train": torch.from_numpy(part[0]), "validation": torch.from_numpy(part[1])}
    y_n = torch.from_numpy(question.y_n)
    last: dict[str, tuple[float, float]] = {}
    finetune(
        learner.encoder,
        {split: LabelledTokens(tokens_ng[r], y_n[r]) for split, r in rows.items()},
        config,
        learner.seed,
        n_classes=question.n_classes,
        guide=guide,
        device=learner.encoder.gene_vectors_gd.device,
        prefixes=None if prefix is None else {split: prefix.subset(r) for split, r in rows.items()},
        watch=lambda epoch, scores: last.update(scores),
    )
    return last["validation"]


def _prefix(
    tokens_ng: Tensor, encoder: ExpressionEncoder, config: FinetuneConfig, activations: Path | None
) -> FrozenPrefix | None:
    """All samples below the first trained block, once for all parts; None where nothing is frozen."""
    first = encoder.first_trained_block(config.trained_blocks)
    if first == 0:
        return None
    stored_nld = None if activations is None else stored_activations(activations, encoder, tokens_ng, first)
    return FrozenPrefix(encoder, tokens_ng, first, config.prefix_cache_mb, stored_nld=stored_nld)
