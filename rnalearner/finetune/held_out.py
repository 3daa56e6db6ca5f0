"""A task without a test: what the linear learner says of each training sample it has not learned from.

Shapes: n training samples, m samples of their study, g genes of the run, c classes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnalearner.counts.genes import GeneSet
from rnalearner.finetune.fewshot import FewShotTask
from rnalearner.finetune.leaks import accession
from rnalearner.finetune.scored import Row, prediction_rows, scores_row
from rnalearner.linear.ask import ask, measured_weight
from rnalearner.linear.guided import GuidedLinear
from rnalearner.linear.rivals import HELD_OUT
from rnalearner.linear.turns import Turn, lacking, turns

Fit = Callable[[np.ndarray, np.ndarray], GuidedLinear]
"""Expression and class numbers of labelled samples -> what is learned from them."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Every training sample as it looks to a model that never saw its subject."""

    probability_nc: np.ndarray
    weight_n: np.ndarray
    """Share of its model's weight that lies on genes measured in the sample."""


def turns_of(task: FewShotTask, seed: int, learned_from: Iterable[str] = ()) -> tuple[list[Turn], str]:
    """Whom to hold out in turn, and "" or why nobody; a task with a test needs no such thing.

    `learned_from`: the gene guide's studies. One that has seen the training study knows the held-out samples.
    """
    train = task.train
    if task.test is not None:
        return [], ""
    if accession(train.study) in map(accession, learned_from):
        return (
            [],
            f"the gene guide learned from {train.study} itself: set linear.guide to false for an estimate",
        )
    found = turns(train.y_n, train.subjects, np.random.default_rng(seed))
    why = lacking(train.y_n, found, task.config.class_names)
    return ([], why) if why else (found, "")


def held_out(
    fit: Fit,
    x_ng: np.ndarray,
    y_n: np.ndarray,
    found: Sequence[Turn],
    gene_set: GeneSet,
    cohort_mg: np.ndarray,
) -> HeldOut:
    """In each turn, learn from the others and ask about those that are held out."""
    said = HeldOut(np.full((len(y_n), int(y_n.max()) + 1), np.nan), np.full(len(y_n), np.nan))
    for held, others in found:
        model = fit(x_ng[others], y_n[others])
        said.probability_nc[held] = ask(model, x_ng[held], gene_set, cohort_mg)
        said.weight_n[held] = measured_weight(model, x_ng[held], gene_set)
    return said


def held_out_rows(task: FewShotTask, probability_nc: np.ndarray) -> list[Row]:
    """A row a sample, as `prediction_rows` has them of a test."""
    rows = prediction_rows(_as_test(task), {"train": probability_nc, "test": probability_nc})
    return [row | {"split": HELD_OUT} for row in rows if row["split"] == "test"]


def held_out_scores(task: FewShotTask, probability_nc: np.ndarray | None) -> Row:
    """held_out_accuracy, held_out_auroc, held_out_brier; NaN where nothing was held out."""
    names = ("accuracy", "auroc", "brier")
    if probability_nc is None:
        return {f"{HELD_OUT}_{name}": np.nan for name in names}
    scores = scores_row(_as_test(task), {"train": probability_nc, "test": probability_nc})
    return {f"{HELD_OUT}_{name}": scores[f"test_{name}"] for name in names}


def _as_test(task: FewShotTask) -> FewShotTask:
    """The task with its training samples in the place of a test; no model has seen their subjects."""
    unseen_n = np.ones(len(task.train.y_n), dtype=bool)
    return replace(task, validation=None, test=task.train, unseen_n=unseen_n)
