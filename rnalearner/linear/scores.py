"""What one set of predictions is worth: accuracy, AUROC, Brier.

Shapes: n samples, c classes. Of two classes one column tells all: the positive one's, n or n x 2.
"""

import numpy as np
from sklearn.metrics import roc_auc_score


def accuracy(y_n: np.ndarray, call_n: np.ndarray) -> float:
    """Share of samples called right: class numbers, or bool for two classes. NaN for no samples."""
    right_n = np.asarray(y_n).astype(int) == np.asarray(call_n).astype(int)
    return float(right_n.mean()) if len(right_n) else float("nan")


def auroc(y_n: np.ndarray, score_nc: np.ndarray) -> float:
    """Chance that a positive sample scores above a negative one; NaN where a class or a score is missing.

    `score_nc` is n or n x 2 for two classes. For more, n x c: the mean of each class against the
    rest; classes without a sample are left out, and NaN is for fewer than two with one.
    """
    y_n, score_nc = np.asarray(y_n), np.asarray(score_nc, float)
    present = np.unique(y_n)
    if len(present) < 2 or np.isnan(score_nc).any():
        return float("nan")
    if score_nc.ndim == 2 and score_nc.shape[1] > 2:
        return float(np.mean([roc_auc_score(y_n == k, score_nc[:, int(k)]) for k in present]))
    return float(roc_auc_score(y_n, score_nc[:, 1] if score_nc.ndim == 2 else score_nc))


def brier(y_n: np.ndarray, probability_nc: np.ndarray | None) -> float:
    """Squared distance of the probabilities from the truth, halved, summed over classes; mean over samples.

    For two classes, n or n x 2, this is the distance of the positive class's. NaN where there is none.
    """
    if probability_nc is None or not len(y_n):
        return float("nan")
    y_n, probability_nc = np.asarray(y_n), np.asarray(probability_nc, float)
    if probability_nc.ndim == 2 and probability_nc.shape[1] > 2:
        truth_nc = np.eye(probability_nc.shape[1])[y_n.astype(int)]
        return float(np.mean(((probability_nc - truth_nc) ** 2).sum(1) / 2))
    positive_n = probability_nc[:, 1] if probability_nc.ndim == 2 else probability_nc
    return float(np.mean((positive_n - y_n) ** 2))
