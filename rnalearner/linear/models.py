"""The linear arms' formulae for two classes; `multiclass` has those for more.

Each maps (train_ng, y_n, test_mg) to (score_m, probability_m or None). The sign of the score is the
call; its order gives the AUROC.
"""

import warnings

import numpy as np
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

Prediction = tuple[np.ndarray, np.ndarray | None]
FLAT = 1e-12
"""A spread or a length below this is zero but for rounding."""


def ridge_logistic(train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, c: float = 1.0) -> Prediction:
    """Logistic regression with an L2 penalty, genes standardised by the training samples."""
    return ridge_in_span(*standardised(train_ng, test_mg), y_n, c)


def ridge_in_span(train_ng: np.ndarray, test_mg: np.ndarray, y_n: np.ndarray, c: float = 1.0) -> Prediction:
    """Logistic regression with an L2 penalty, columns centred by the training samples, not scaled.

    Its weights lie in the span of the training samples (representer theorem), so it is fitted on n
    coordinates instead of g genes: the same answer, in milliseconds.
    """
    coordinates = span_coordinates(train_ng, test_mg)
    if coordinates is None:
        return np.zeros(len(test_mg)), np.full(len(test_mg), 0.5)
    train_nr, test_mr = coordinates
    score_m = ridge_model(c).fit(train_nr, y_n).decision_function(test_mr)
    return score_m, expit(score_m)


def ridge_model(c: float) -> LogisticRegression:
    """Logistic regression with an L2 penalty: of two classes, or multinomial."""
    return LogisticRegression(C=c, max_iter=2000, tol=1e-6)


def standardised(train_ng: np.ndarray, test_mg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both sides, each gene scaled by its spread over the training samples."""
    spread_g = train_ng.std(0)
    spread_g = np.where(spread_g < FLAT, 1.0, spread_g)
    return train_ng / spread_g, test_mg / spread_g


def span_coordinates(train_ng: np.ndarray, test_mg: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Both sides, centred by the training samples, in an orthonormal basis of what these span.

    None where all training samples are alike: there is nothing to learn from. Through the n x n
    products of the samples, which at g genes is an order faster than decomposing the samples.
    """
    centre_g = train_ng.mean(0)
    train_ng = train_ng - centre_g
    power_r, vectors_nr = np.linalg.eigh(train_ng @ train_ng.T)
    real_r = power_r > 1e-10 * max(power_r.max(), FLAT)
    if not real_r.any():
        return None
    length_r, vectors_nr = np.sqrt(power_r[real_r]), vectors_nr[:, real_r]
    return vectors_nr * length_r, (test_mg - centre_g) @ (train_ng.T @ (vectors_nr / length_r))


def lasso_logistic(train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, c: float = 1.0) -> Prediction:
    """Logistic regression with an L1 penalty, on unscaled genes."""
    model = LogisticRegression(l1_ratio=1, C=c, solver="liblinear", max_iter=300, random_state=0)
    with warnings.catch_warnings():
        # Weakly penalised and separable, it creeps for ever; the calls are settled long before.
        warnings.simplefilter("ignore", ConvergenceWarning)
        score_m = model.fit(train_ng, y_n).decision_function(test_mg)
    return score_m, expit(score_m)


def nearest_centroid(train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray) -> Prediction:
    """Squared distance to the negative group's mean, minus that to the positive group's."""
    away_m, near_m = (((test_mg - train_ng[y_n == group].mean(0)) ** 2).sum(1) for group in (0, 1))
    return away_m - near_m, None


def t_signature(train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, size: int = 100) -> Prediction:
    """Signed mean of the `size` genes of largest |Welch t| (largest difference at one sample a group)."""
    positive_ng, negative_ng = train_ng[y_n == 1], train_ng[y_n == 0]
    difference_g = positive_ng.mean(0) - negative_ng.mean(0)
    weight_g = difference_g
    if min(len(positive_ng), len(negative_ng)) > 1:
        error_g = np.sqrt(sum(group.var(0, ddof=1) / len(group) for group in (positive_ng, negative_ng)))
        weight_g = np.where(error_g > FLAT, difference_g / np.maximum(error_g, FLAT), 0.0)
    top = np.argsort(-np.abs(weight_g), kind="stable")[:size]
    return test_mg[:, top] @ np.sign(difference_g[top]) / size, None


def nearest_neighbours(
    train_ng: np.ndarray, y_n: np.ndarray, test_mg: np.ndarray, neighbours: int = 3
) -> Prediction:
    """Vote of the most similar training samples by cosine (one of them, where each group has one).

    The nearest sample of each group settles ties of votes.
    """
    similar_mn = cosine(test_mg, train_ng)
    nearest_mk = np.argsort(-similar_mn, axis=1, kind="stable")[:, : neighbours if len(y_n) > 2 else 1]
    vote_m = (y_n[nearest_mk] == 1).mean(1)
    lean_m = similar_mn[:, y_n == 1].max(1) - similar_mn[:, y_n == 0].max(1)
    return vote_m - 0.5 + 1e-3 * lean_m, vote_m


def cosine(test_mg: np.ndarray, train_ng: np.ndarray) -> np.ndarray:
    """Similarity m x n of every test sample to every training sample."""
    return _unit(test_mg) @ _unit(train_ng).T


def _unit(x_ng: np.ndarray) -> np.ndarray:
    return x_ng / np.maximum(np.linalg.norm(x_ng, axis=1, keepdims=True), FLAT)
