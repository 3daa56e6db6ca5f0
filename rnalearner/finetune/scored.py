"""What a task's probabilities are worth, as rows of tables. Shapes: n samples, c classes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnalearner.finetune.fewshot import FewShotTask
from rnalearner.finetune.train import FinetuneResult
from rnalearner.linear.scores import accuracy, auroc, brier

Row = dict[str, Any]
Probability = Mapping[str, np.ndarray]
"""Split -> probability of every class for each of its samples, n x c."""


def scored_rows(task: FewShotTask, result: FinetuneResult, seconds: float) -> dict[str, list[Row]]:
    """One fine-tuning run as rows of runs, curves and predictions, without task, arm and seed."""
    scores = {"epoch_scored": result.epoch_scored} | scores_row(task, result.probability)
    return {
        "runs": [scores | {"seconds": round(seconds, 3)}],
        "curves": list(result.curves),
        "predictions": list(prediction_rows(task, result.probability)),
    }


def scores_row(task: FewShotTask, probability: Probability) -> Row:
    """Accuracy of every split, and the test's other scores.

    One that cannot be had, because the task has no such split, is NaN: empty in the table.
    """
    right = {split: accuracy(dataset.y_n, probability[split].argmax(1)) for split, dataset in task.datasets()}
    scores = {f"{split}_accuracy": right.get(split, np.nan) for split in ("train", "validation", "test")}
    scores |= {"test_auroc": np.nan, "test_brier": np.nan, "test_loss": np.nan}
    if task.test is not None:
        y_n, p_nc = task.test.y_n, probability["test"]
        scores["test_auroc"] = auroc(y_n, p_nc)
        scores["test_brier"] = brier(y_n, p_nc)
        scores["test_loss"] = _cross_entropy(y_n, p_nc)
    return scores


def prediction_rows(task: FewShotTask, probability: Probability) -> Iterator[Row]:
    """A row a sample of every split."""
    for split, dataset in task.datasets():
        unseen_n = task.unseen_n if split == "test" else np.zeros(len(dataset.y_n), dtype=bool)
        p_nc = probability[split]
        for i, sample in enumerate(dataset.samples):
            yield {
                "split": split,
                "sample": sample,
                "subject": dataset.subjects[i],
                "study": dataset.study,
                "y": int(dataset.y_n[i]),
                "call": int(p_nc[i].argmax()),
                **{f"p{c}": float(p) for c, p in enumerate(p_nc[i])},
                "unseen_subject": bool(unseen_n[i]),
            }


def _cross_entropy(y_n: np.ndarray, p_nc: np.ndarray) -> float:
    """Mean of -log p of the true class, nats; a p of 0 counts as 1e-12."""
    p_true_n = p_nc[np.arange(len(y_n)), y_n]
    return float(-np.log(np.clip(p_true_n, 1e-12, None)).mean())
