"""All linear arms on one task, as two tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnalearner.linear.arms import ARMS, fit_predict
from rnalearner.linear.scores import accuracy, auroc, brier


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
    y_test_m, n_classes = np.asarray(y_test_m).astype(int), len(np.unique(y_train_n))
    scores, predictions = [], []
    for arm in arms:
        for centred in (False, True):
            score_m, probability_m = fit_predict(
                arm,
                x_train_ng,
                y_train_n,
                x_test_mg,
                centred=centred,
                min_cpm=min_cpm,
                train_cohort_ng=train_cohort_ng,
                test_cohort_mg=test_cohort_mg,
            )
            call_m = _call(score_m)
            named = {"task": task, "arm": arm, "centred": centred}
            scores.append(
                named
                | {
                    "test_accuracy": accuracy(y_test_m, call_m),
                    "test_auroc": auroc(y_test_m, score_m),
                    "test_brier": brier(y_test_m, probability_m),
                }
            )
            predictions.append(
                pd.DataFrame(
                    named
                    | {
                        "sample": test_samples["sample"].to_numpy(),
                        "subject": test_samples["subject"].to_numpy(),
                        "unseen_subject": test_samples["unseen_subject"].to_numpy(),
                        "y": y_test_m,
                        "call": call_m,
                        "score": score_m if n_classes == 2 else np.nan,
                    }
                    | _by_class(probability_m, n_classes)
                )
            )
    return pd.DataFrame(scores), pd.concat(predictions, ignore_index=True)


def _call(score_m: np.ndarray) -> np.ndarray:
    """Class numbers; ties go to the lower one."""
    return score_m.argmax(1) if score_m.ndim == 2 else (score_m > 0).astype(int)


def _by_class(probability_m: np.ndarray | None, n_classes: int) -> dict[str, np.ndarray | float]:
    """Columns p0, p1 and so on."""
    if probability_m is None:
        return {f"p{k}": np.nan for k in range(n_classes)}
    if n_classes == 2:
        return {"p0": 1 - probability_m, "p1": probability_m}
    return {f"p{k}": probability_m[:, k] for k in range(n_classes)}
