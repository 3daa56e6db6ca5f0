"""What one set of predictions is worth: accuracy, AUROC, Brier."""

import numpy as np
from sklearn.metrics import roc_auc_score


def accuracy(y_n: np.ndarray, call_n: np.ndarray) -> float:
    """Share of samples called right; `y_n` and `call_n` are 0/1 or bool. NaN for no samples."""
    return float(np.mean((np.asarray(y_n) > 0) == (np.asarray(call_n) > 0))) if len(y_n) else float("nan")


def auroc(y_n: np.ndarray, score_n: np.ndarray) -> float:
    """Chance that a positive sample scores above a negative one; NaN where a class or a score is missing."""
    y_n, score_n = np.asarray(y_n), np.asarray(score_n, float)
    if len(np.unique(y_n)) < 2 or np.isnan(score_n).any():
        return float("nan")
    return float(roc_auc_score(y_n, score_n))


def brier(y_n: np.ndarray, probability_n: np.ndarray | None) -> float:
    """Mean squared distance of the probability from the truth; NaN where there is no probability."""
    if probability_n is None or not len(y_n):
        return float("nan")
    return float(np.mean((np.asarray(probability_n, float) - np.asarray(y_n)) ** 2))
