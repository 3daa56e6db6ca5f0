"""What one set of predictions is worth: accuracy, AUROC, Brier.

Shapes: n samples, c classes. Of two classes one column tells all: the positive one's, n or n x 2.
"""

import numpy as np
from scipy.stats import rankdata


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
        return float(np.mean([_above(y_n == k, score_nc[:, int(k)]) for k in present]))
    return _above(y_n == present[1], score_nc[:, 1] if score_nc.ndim == 2 else score_nc)


def _above(positive_n: np.ndarray, score_n: np.ndarray) -> float:
    """Share of pairs in which the positive sample has the higher score; ties count half (Mann-Whitney)."""
    n_positive = int(positive_n.sum())
    n_pairs = n_positive * (len(positive_n) - n_positive)
    rank_sum = rankdata(score_n)[positive_n].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / n_pairs)


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
