"""Every linear arm of the benchmark on one draw: a function of what it may see.

Formulae stand in rnalearner/linear; here is what each is given. Shapes as in views.py.
"""

from collections.abc import Callable

import numpy as np

from rnalearner.benchmark import guided_arms, tabpfn_arm
from rnalearner.benchmark.views import SeenDraw
from rnalearner.linear import models
from rnalearner.linear.models import Prediction

Arm = Callable[[SeenDraw], Prediction]
"""(score_m, whose sign is the call; probability_m of the positive group, or None)."""
CONTROL_C = 10.0
"""The controls are the strongest unguided arm, on fewer genes."""


def lr_l2(seen: SeenDraw) -> Prediction:
    return models.ridge_logistic(seen.x_train_ng, seen.y_n, seen.x_test_mg)


def lr_l1(seen: SeenDraw) -> Prediction:
    return models.lasso_logistic(seen.x_train_ng, seen.y_n, seen.x_test_mg)


def lr_l1_c10(seen: SeenDraw) -> Prediction:
    return models.lasso_logistic(seen.x_train_ng, seen.y_n, seen.x_test_mg, c=10.0)


def nearest_centroid(seen: SeenDraw) -> Prediction:
    return models.nearest_centroid(seen.x_train_ng, seen.y_n, seen.x_test_mg)


def t_signature_100(seen: SeenDraw) -> Prediction:
    return models.t_signature(seen.x_train_ng, seen.y_n, seen.x_test_mg)


def knn_3(seen: SeenDraw) -> Prediction:
    return models.nearest_neighbours(seen.ranks_train_ng, seen.y_n, seen.ranks_test_mg)


def pca10(seen: SeenDraw) -> Prediction:
    """L2 logistic regression on ten components of the other studies, not scaled again."""
    return models.ridge_in_span(seen.components_train_nk, seen.components_test_mk, seen.y_n)


def clock_only(seen: SeenDraw) -> Prediction:
    """On the clock genes alone; a task that expresses none of them gives it nothing to tell by."""
    return _on_genes(seen, seen.view.clock_g)


def clock_free(seen: SeenDraw) -> Prediction:
    """On all genes but the clock's."""
    return _on_genes(seen, ~seen.view.clock_g)


def _on_genes(seen: SeenDraw, keep_g: np.ndarray) -> Prediction:
    if not keep_g.any():
        n_test = len(seen.draw.test_rows)
        return np.zeros(n_test), np.full(n_test, 0.5)
    sides = (x_ng[:, keep_g] for x_ng in (seen.x_train_ng, seen.x_test_mg))
    return models.lasso_logistic(next(sides), seen.y_n, next(sides), c=CONTROL_C)


RIVALS: dict[str, Arm] = {
    "lr_l2": lr_l2,
    "lr_l1": lr_l1,
    "lr_l1_c10": lr_l1_c10,
    "nearest_centroid": nearest_centroid,
    "t_signature_100": t_signature_100,
    "knn_3": knn_3,
}
CONTROLS: dict[str, Arm] = {"pca10": pca10, "clock_only": clock_only, "clock_free": clock_free}
UNGUIDED: dict[str, Arm] = {"bagged_l1": guided_arms.unguided}
GUIDED: dict[str, Arm] = guided_arms.GUIDED
OPTIONAL: dict[str, Arm] = {"tabpfn": tabpfn_arm.tabpfn} if tabpfn_arm.installed() else {}
ARMS: dict[str, Arm] = RIVALS | CONTROLS | UNGUIDED | GUIDED | OPTIONAL
LINEAR_ARMS = tuple(ARMS)
GUIDED_ARMS = frozenset(GUIDED)
STOCHASTIC = frozenset(OPTIONAL)
"""Arms that depend on the seed; all others run once, as seed 0."""
CENTRED_ONLY = guided_arms.EXTRA
"""Arms that are not run uncentred."""
