"""The linear arms' formulae for more than two classes.

Each maps (train_ng, y_n, test_mg) to (score_mc, probability_mc or None), classes 0 to c - 1. The class
of the highest score is the call; a column's order gives that class's AUROC against the rest.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import log_expit, softmax

from rnalearner.linear.models import (
    Prediction,
    cosine,
    lasso_logistic,
    ridge_model,
    span_coordinates,
    standardised,
)
from rnalearner.linear.models import t_signature as two_class_signature


def ridge_logistic(train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, c: float = 1.0) -> Prediction:
    """Multinomial logistic regression with an L2 penalty, fitted as for two classes."""
    n_classes = int(y_n.max()) + 1
    coordinates = span_coordinates(*standardised(train_ng, test_mg))
    if coordinates is None:
        flat_mc = np.zeros((len(test_mg), n_classes))
        return flat_mc, np.full_like(flat_mc, 1 / n_classes)
    train_nr, test_mr = coordinates
    score_mc = ridge_model(c).fit(train_nr, y_n).decision_function(test_mr)
    return score_mc, softmax(score_mc, axis=1)


def one_vs_rest_lasso(
    train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, c: float = 1.0
) -> Prediction:
    """A logistic regression with an L1 penalty a class, against the rest; probabilities share out 1."""
    score_mc = _one_vs_rest(lambda of_class_n: lasso_logistic(train_ng, of_class_n, test_mg, c)[0], y_n)
    # Through logarithms: where every class is all but excluded, their sum would be 0.
    return score_mc, softmax(log_expit(score_mc), axis=1)


def nearest_centroid(train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray) -> Prediction:
    """Minus the squared distance to each class's mean."""
    centroids_cg = [train_ng[y_n == k].mean(0) for k in range(int(y_n.max()) + 1)]
    return np.column_stack([-((test_mg - mean_g) ** 2).sum(1) for mean_g in centroids_cg]), None


def t_signature(train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, size: int = 100) -> Prediction:
    """Each class's t-signature against the rest.

    Measured from the training samples' mean, because signatures of other genes have other levels.
    """
    both = np.concatenate([train_ng, test_mg])
    score_mc = _one_vs_rest(lambda of_class_n: two_class_signature(train_ng, of_class_n, both, size)[0], y_n)
    return score_mc[len(train_ng) :] - score_mc[: len(train_ng)].mean(0), None


def nearest_neighbours(
    train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, neighbours: int = 3
) -> Prediction:
    """Vote of the most similar training samples by cosine (one of them, where each class has one).

    The nearest sample of each class settles ties of votes.
    """
    n_classes = int(y_n.max()) + 1
    similar_mn = cosine(test_mg, train_ng)
    nearest_mk = np.argsort(-similar_mn, axis=1, kind="stable")[
        :, : neighbours if len(y_n) > n_classes else 1
    ]
    vote_mc = np.column_stack([(y_n[nearest_mk] == k).mean(1) for k in range(n_classes)])
    near_mc = np.column_stack([similar_mn[:, y_n == k].max(1) for k in range(n_classes)])
    return vote_mc + 1e-3 * near_mc, vote_mc


def _one_vs_rest(score_n: Callable[[np.ndarray], np.ndarray], y_n: np.ndarray) -> np.ndarray:
    """A column a class: `score_n` of the labels that are 1 in this class and 0 elsewhere."""
    return np.column_stack([score_n((y_n == k).astype(int)) for k in range(int(y_n.max()) + 1)])
