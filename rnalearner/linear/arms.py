"""The linear arms by name, each on expression as it is or centred by cohort."""

from collections.abc import Callable
from functools import partial

import numpy as np

from rnalearner.errors import CountsError, LabelError, RecipeError
from rnalearner.linear import multiclass
from rnalearner.linear.expression import centred as centre
from rnalearner.linear.expression import ranks, usable_genes
from rnalearner.linear.models import (
    Prediction,
    lasso_logistic,
    nearest_centroid,
    nearest_neighbours,
    ridge_logistic,
    t_signature,
)

Model = Callable[[np.ndarray, np.ndarray, np.ndarray], Prediction]
MODELS: dict[str, Model] = {
    "lr_l2": ridge_logistic,
    "lr_l1": lasso_logistic,
    "lr_l1_c10": partial(lasso_logistic, c=10.0),
    "nearest_centroid": nearest_centroid,
    "t_signature_100": t_signature,
    "knn_3": nearest_neighbours,
}
MULTICLASS: dict[str, Model] = {
    "lr_l2": multiclass.ridge_logistic,
    "lr_l1": multiclass.one_vs_rest_lasso,
    "lr_l1_c10": partial(multiclass.one_vs_rest_lasso, c=10.0),
    "nearest_centroid": multiclass.nearest_centroid,
    "t_signature_100": multiclass.t_signature,
    "knn_3": multiclass.nearest_neighbours,
}
"""The same arms for more than two classes."""
ARMS = tuple(MODELS)
ON_RANKS = frozenset({"knn_3"})
"""Arms that see each gene's rank in its sample instead of its expression."""


def fit_predict(
    arm: str,
    x_train_ng: np.ndarray,
    y_train_n: np.ndarray,
    x_test_mg: np.ndarray,
    *,
    centred: bool = False,
    min_cpm: float = 1.0,
    train_cohort_ng: np.ndarray | None = None,
    test_cohort_mg: np.ndarray | None = None,
) -> Prediction:
    """Learn `arm` from the training samples; return (score_m, probability_m or None) of the test samples.

    Expression is log2(CPM + 1), NaN where a gene was not measured; `y_train_n` holds class numbers. Of
    two classes the call is score > 0 and the probability is class 1's; of c > 2 both are m x c and the
    call is the class of the highest score. A cohort is the whole dataset that a side was drawn from,
    without labels: it chooses the genes and, with `centred`, gives the means to subtract
    (transductive); left out, it is the side itself. Raises RecipeError for an unknown arm, LabelError
    where a class is missing, CountsError where two sides differ in genes or share none.
    """
    if arm not in MODELS:
        raise RecipeError(f"linear arm {arm!r}", "there is no such arm", f"use one of {', '.join(ARMS)}")
    y_train_n = np.asarray(y_train_n)
    classes = sorted(set(y_train_n.tolist()))
    if len(classes) < 2 or classes != list(range(len(classes))) or len(y_train_n) != len(x_train_ng):
        what = f"{len(x_train_ng)} samples with the labels {classes}"
        remedy = "give each sample the number of its class: 0, 1 and so on, each at least once"
        raise LabelError("training samples", what, remedy)
    train_cohort_ng = x_train_ng if train_cohort_ng is None else train_cohort_ng
    test_cohort_mg = x_test_mg if test_cohort_mg is None else test_cohort_mg
    sides = [np.asarray(x, float) for x in (x_train_ng, train_cohort_ng, x_test_mg, test_cohort_mg)]
    if len({x.shape[1] for x in sides}) > 1:
        widths = " and ".join(str(x.shape[1]) for x in sides)
        raise CountsError("train and test", f"their columns number {widths}", "align both to one gene set")
    keep_g = usable_genes(sides[1], sides[3], min_cpm)
    sides = [x[:, keep_g] for x in sides]
    if arm in ON_RANKS:
        sides = [ranks(x) for x in sides]
    train_ng, train_cohort_ng, test_mg, test_cohort_mg = sides
    if centred:
        train_ng, test_mg = centre(train_ng, train_cohort_ng), centre(test_mg, test_cohort_mg)
    models = MODELS if len(classes) == 2 else MULTICLASS
    return models[arm](train_ng, y_train_n, test_mg)
