"""How a guided linear model gets its weights: one function a method, two classes.

Each maps guided expression to one weight a gene. Shapes: n training samples, m samples of the training
cohort, g genes, b genes of a bag, r directions that the training samples span.
"""

import warnings
from collections.abc import Callable

import numpy as np
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from rnalearner.config.linear import LinearConfig, LinearMethod
from rnalearner.linear.models import FLAT, ridge_model, span_coordinates

SCREENED = 100
"""Genes of a bag that a regression sees: those that differ most. A dozen samples leave no more than a
dozen weights above 0, and the genes behind these never get one; with 50 the scores are the same."""
SIGNATURE = 100
"""Genes of a moderated t-signature."""
RIDGE_C = 0.1
PRIOR_SAMPLES = 4.0
"""Degrees of freedom that the corpus' residual variance counts for beside the training samples' own."""

Weigh = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, LinearConfig], np.ndarray]
"""(train_ng, positive_n, cohort_mg, spread_g, config) -> weight_g, all on guided expression."""


def bagged_l1(
    train_ng: np.ndarray,
    positive_n: np.ndarray,
    cohort_mg: np.ndarray,
    spread_g: np.ndarray,
    config: LinearConfig,
) -> np.ndarray:
    """Mean of L1 regressions, each on a random part of the genes and scaled alike over the cohort.

    One L1 regression of two or four samples hangs on a handful of genes that happen to differ most;
    the mean over random parts hangs on many (random subspaces: Ho 1998, IEEE PAMI 20:832).
    """
    rng = np.random.default_rng(config.seed)
    difference_g = np.abs(_difference(train_ng, positive_n))
    weight_g = np.zeros(train_ng.shape[1])
    for _ in range(config.bags):
        bag_b = np.flatnonzero(rng.random(len(weight_g)) < config.bag_share)
        if len(bag_b) > SCREENED:
            bag_b = bag_b[np.argpartition(-difference_g[bag_b], SCREENED)[:SCREENED]]
        if len(bag_b):
            found_b = _lasso(train_ng[:, bag_b], positive_n, config.c)
            weight_g[bag_b] += found_b / max(float((cohort_mg[:, bag_b] @ found_b).std()), FLAT)
    return weight_g


def l1(
    train_ng: np.ndarray,
    positive_n: np.ndarray,
    cohort_mg: np.ndarray,
    spread_g: np.ndarray,
    config: LinearConfig,
) -> np.ndarray:
    """One L1 regression on all genes."""
    return _lasso(train_ng, positive_n, config.c)


def ridge(
    train_ng: np.ndarray,
    positive_n: np.ndarray,
    cohort_mg: np.ndarray,
    spread_g: np.ndarray,
    config: LinearConfig,
) -> np.ndarray:
    """L2, each gene divided by its residual spread; solved in the span of the training samples."""
    scaled_ng = train_ng / spread_g
    coordinates = span_coordinates(scaled_ng, np.eye(0, len(spread_g)))
    if coordinates is None:
        return np.zeros(len(spread_g))
    train_nr = coordinates[0]
    found_r = ridge_model(RIDGE_C).fit(train_nr, positive_n).coef_[0]
    # A direction r of the span is a sum of training samples: its genes are theirs.
    samples_n = (train_nr / np.square(train_nr).sum(0)) @ found_r
    return np.asarray((scaled_ng - scaled_ng.mean(0)).T @ samples_n / spread_g)


def moderated_t(
    train_ng: np.ndarray,
    positive_n: np.ndarray,
    cohort_mg: np.ndarray,
    spread_g: np.ndarray,
    config: LinearConfig,
) -> np.ndarray:
    """Difference over variance of the genes with the largest moderated |t|: discriminant analysis.

    The variance is the training samples' own, moderated by the corpus' (Smyth 2004, SAGMB 3:3), so that
    one sample a class is enough.
    """
    difference_g = _difference(train_ng, positive_n)
    groups = (train_ng[positive_n], train_ng[~positive_n])
    squares_g = sum(np.square(group_ng - group_ng.mean(0)).sum(0) for group_ng in groups)
    degrees = len(train_ng) - 2
    variance_g = (PRIOR_SAMPLES * spread_g**2 + squares_g) / (PRIOR_SAMPLES + degrees)
    t_g = difference_g / np.sqrt(np.maximum(variance_g, FLAT))
    weight_g = np.zeros(len(t_g))
    top = np.argsort(-np.abs(t_g), kind="stable")[:SIGNATURE]
    weight_g[top] = t_g[top] / np.sqrt(np.maximum(variance_g[top], FLAT))
    return weight_g


METHODS: dict[LinearMethod, Weigh] = {
    "bagged_l1": bagged_l1,
    "l1": l1,
    "ridge": ridge,
    "moderated_t": moderated_t,
}


def _difference(train_ng: np.ndarray, positive_n: np.ndarray) -> np.ndarray:
    return np.asarray(train_ng[positive_n].mean(0) - train_ng[~positive_n].mean(0))


def _lasso(train_ng: np.ndarray, positive_n: np.ndarray, c: float) -> np.ndarray:
    model = LogisticRegression(l1_ratio=1, C=c, solver="liblinear", max_iter=300, random_state=0)
    # Of a fit's millisecond, scikit-learn spends half on looking at what it was given.
    unchecked = config_context(assume_finite=True, skip_parameter_validation=True)
    with warnings.catch_warnings(), unchecked:
        # Weakly penalised and separable, it creeps for ever; the order is settled long before.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(model.fit(train_ng, positive_n).coef_[0])
