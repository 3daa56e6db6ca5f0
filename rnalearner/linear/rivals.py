"""All linear arms on one task, as two tables."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from rnalearner.linear.arms import ARMS, fit_predict
from rnalearner.linear.expression import usable_genes
from rnalearner.linear.models import Prediction
from rnalearner.linear.scores import accuracy, auroc, brier
from rnalearner.linear.turns import Turn

HELD_OUT = "held_out"
"""The split of samples that were held out in turn, of a task without a test."""


def score_rivals(
    task: str,
    x_train_ng: np.ndarray,
    y_train_n: np.ndarray,
    x_test_mg: np.ndarray,
    y_test_m: np.ndarray,
    test_samples: pd.DataFrame,
    *,
    arms: Sequence[str] = ARMS,
    min_cpm: float = 1.0,
    train_cohort_ng: np.ndarray | None = None,
    test_cohort_mg: np.ndarray | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables (scores, predictions): every arm, uncentred and centred, on one task.

    `test_samples` has a row a test sample: sample, subject, unseen_subject. Expression, cohorts and
    errors as in `fit_predict`. Predictions hold a `call` (class number), a `score` (of two classes:
    its sign is the call) and a probability a class, p0, p1 and so on; NaN where the arm has none.
    """

    def said(arm: str, centred: bool) -> Prediction:
        return fit_predict(
            arm,
            x_train_ng,
            y_train_n,
            x_test_mg,
            centred=centred,
            min_cpm=min_cpm,
            train_cohort_ng=train_cohort_ng,
            test_cohort_mg=test_cohort_mg,
        )

    return _tables({"task": task, "split": "test"}, y_test_m, test_samples, said, arms)


def score_in_turn(
    task: str,
    x_ng: np.ndarray,
    y_n: np.ndarray,
    samples: pd.DataFrame,
    found: Sequence[Turn],
    cohort_mg: np.ndarray,
    *,
    arms: Sequence[str] = ARMS,
    min_cpm: float = 1.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same tables of the training samples, each predicted by arms that learned in its turn of others.

    `cohort_mg` is the whole study, the samples among it. The scores stand in the columns of a test's.
    """
    keep_g = usable_genes(cohort_mg, cohort_mg, min_cpm)
    x_ng, cohort_mg = x_ng[:, keep_g], cohort_mg[:, keep_g]
    back = np.argsort(np.concatenate([turn.held for turn in found]))

    def said(arm: str, centred: bool) -> Prediction:
        told = [
            fit_predict(
                arm,
                x_ng[turn.others],
                y_n[turn.others],
                x_ng[turn.held],
                centred=centred,
                min_cpm=0,
                train_cohort_ng=cohort_mg,
                test_cohort_mg=cohort_mg,
            )
            for turn in found
        ]
        known = [probability_m for _, probability_m in told if probability_m is not None]
        score_n = np.concatenate([score_m for score_m, _ in told])[back]
        return score_n, np.concatenate(known)[back] if known else None

    return _tables({"task": task, "split": HELD_OUT}, y_n, samples, said, arms)


def _tables(
    named: dict[str, str],
    y_m: np.ndarray,
    samples: pd.DataFrame,
    said: Callable[[str, bool], Prediction],
    arms: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of what each arm, uncentred and centred, has `said` of the samples."""
    y_m = np.asarray(y_m).astype(int)
    scores, predictions = [], []
    for arm in arms:
        for centred in (False, True):
            score_m, probability_m = said(arm, centred)
            call_m = _call(score_m)
            row = named | {"arm": arm, "centred": centred}
            scores.append(
                row
                | {
                    "test_accuracy": accuracy(y_m, call_m),
                    "test_auroc": auroc(y_m, score_m),
                    "test_brier": brier(y_m, probability_m),
                }
            )
            predictions.append(
                pd.DataFrame(
                    row
                    | {
                        "sample": samples["sample"].to_numpy(),
                        "subject": samples["subject"].to_numpy(),
                        "unseen_subject": samples["unseen_subject"].to_numpy(),
                        "y": y_m,
                        "call": call_m,
                        "score": score_m if score_m.ndim == 1 else np.nan,
                    }
                    | _by_class(probability_m, score_m)
                )
            )
    return pd.DataFrame(scores), pd.concat(predictions, ignore_index=True)


def _call(score_m: np.ndarray) -> np.ndarray:
    """Class numbers; ties go to the lower one."""
    return score_m.argmax(1) if score_m.ndim == 2 else (score_m > 0).astype(int)


def _by_class(probability_m: np.ndarray | None, score_m: np.ndarray) -> dict[str, np.ndarray | float]:
    """Columns p0, p1 and so on."""
    if probability_m is None:
        return {f"p{k}": np.nan for k in range(2 if score_m.ndim == 1 else score_m.shape[1])}
    if probability_m.ndim == 1:
        return {"p0": 1 - probability_m, "p1": probability_m}
    return {f"p{k}": probability_m[:, k] for k in range(probability_m.shape[1])}
