"""The guided linear arms, and the controls that tell what of them is the guide's.

Shapes as in views.py.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rnalearner.benchmark.views import SeenDraw
from rnalearner.config.linear import LinearConfig, LinearMethod
from rnalearner.linear.guided import GuidedLinear, fit_guided
from rnalearner.linear.models import Prediction

if TYPE_CHECKING:  # it imports torch, which no unguided arm needs
    from rnalearner.guide.gene_guide import GeneGuide

SHUFFLE_SEED = 0


def guided(seen: SeenDraw, method: LinearMethod = "bagged_l1", power: float | None = None) -> Prediction:
    """The product as it is (`rnalearner linear`), by one of its methods; `power` other than its own."""
    return _asked(seen, f"{method} {power}", lambda: _fit(seen, seen.guide, method, power))


def guided_shuffled(seen: SeenDraw) -> Prediction:
    """The guide's values dealt to other genes: the same spread of factors, none of the knowledge."""
    return _asked(seen, "shuffled", lambda: _fit(seen, _shuffled(seen.guide)))


def unguided(seen: SeenDraw) -> Prediction:
    """The same learner, told nothing."""
    return _asked(seen, "unguided", lambda: _fit(seen, None))


def _asked(seen: SeenDraw, name: str, fit: Callable[[], GuidedLinear]) -> Prediction:
    """The model of this name, fitted once a draw: test samples are centred, or are not, afterwards."""
    if name not in seen.fitted:
        seen.fitted[name] = fit()
    model, cohort_bg = seen.fitted[name], seen.test_cohort_bg if seen.centred else None
    x_mg = seen.raw_test_mg
    return model.scores(x_mg, cohort_bg), model.probabilities(x_mg, cohort_bg)[:, 1]


def _fit(
    seen: SeenDraw,
    guide: "GeneGuide | None",
    method: LinearMethod = "bagged_l1",
    power: float | None = None,
) -> GuidedLinear:
    known = {} if power is None else {"guide_power": power}
    # The task has chosen its genes over both sides.
    config = LinearConfig(method=method, min_cpm=0.0, **known)
    return fit_guided(
        seen.raw_train_ng,
        seen.y_n,
        genes=seen.genes,
        cohort_mg=seen.train_cohort_ag,
        guide=guide,
        config=config,
    )


def _shuffled(guide: "GeneGuide | None") -> "GeneGuide | None":
    if guide is None:
        return None
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(guide.genes))
    return replace(guide, guide_g=guide.guide_g[order], residual_g=guide.residual_g[order])


GUIDED: dict[str, Callable[[SeenDraw], Prediction]] = {
    "guided_linear": guided,
    "guided_l1": partial(guided, method="l1"),
    "guided_ridge": partial(guided, method="ridge"),
    "guided_t": partial(guided, method="moderated_t"),
    "guided_linear_quarter": partial(guided, power=0.25),
    "guided_linear_full": partial(guided, power=1.0),
    "guided_linear_shuffled": guided_shuffled,
}
"""Arms that need a gene guide."""
EXTRA = frozenset({"guided_l1", "guided_ridge", "guided_t", "guided_linear_quarter", "guided_linear_full"})
"""Variants: centred alone."""
