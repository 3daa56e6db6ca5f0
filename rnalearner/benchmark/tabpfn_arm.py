"""TabPFN, where it is installed: never required, because its weights need a download.

Hollmann et al., "Accurate predictions on small data with a tabular foundation model", Nature 2025.
"""

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from rnalearner.benchmark.views import SeenDraw
from rnalearner.errors import RecipeError
from rnalearner.linear.models import Prediction

N_GENES = 500
"""Columns that it was trained for; more make it slow, and by its authors' word no better."""


def installed() -> bool:
    return find_spec("tabpfn") is not None


def tabpfn(seen: SeenDraw) -> Prediction:
    """On the genes that vary most over the training side, which asks for no label.

    Raises RecipeError where its weights are not there.
    """
    top = np.argsort(-seen.view.spread_g, kind="stable")[:N_GENES]
    model = _classifier(seen.seed)
    try:
        model.fit(seen.x_train_ng[:, top], seen.y_n.astype(int))
        probability_m = model.predict_proba(seen.x_test_mg[:, top])[:, 1]
    except (OSError, RuntimeError) as error:
        what = f"TabPFN does not run ({type(error).__name__}: {error})"
        raise RecipeError("arm tabpfn", what, "fetch its weights, or leave the arm out") from None
    return probability_m - 0.5, probability_m


@cache
def _classifier(seed: int) -> Any:
    from tabpfn import TabPFNClassifier

    return TabPFNClassifier(random_state=seed, ignore_pretraining_limits=True)
