"""Exact label permutation: how often would wrong labels of the training samples do as well?

With six samples a group there are 924 ways to label twelve: all of them are tried. Test samples keep
their labels. Groups that differ by themselves let wrong labels score high, which no interval shows.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnalearner.benchmark.draws import Draw, draws
from rnalearner.benchmark.linear_arms import ARMS, CENTRED_ONLY
from rnalearner.benchmark.pca_arm import PcaMaps
from rnalearner.benchmark.scoring import has_what_it_needs
from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.benchmark.views import SeenDraw, TaskView, both_views
from rnalearner.linear.scores import auroc

if TYPE_CHECKING:
    from rnalearner.guide.gene_guide import GeneGuide

PERMUTED_K = 6
MOST = 1000
"""With more relabellings than this, so many are drawn at random."""


@dataclass(frozen=True)
class PermutationTest:
    """`p`: share of relabellings, the true one among them, whose AUROC reaches the true labels'."""

    auroc: float
    p: float
    relabellings: int
    exact: bool
    """Whether all relabellings were tried."""


def permutation_test(view: TaskView, draw: Draw, arm: str, *, most: int = MOST) -> PermutationTest:
    """Relabel the draw's training samples, as many of each group as there are, and score each again.

    Random relabellings are seeded by the draw's number, and the true one is added to them.
    """
    y_n = view.loaded.train.y_n[draw.train_rows]
    y_m = view.loaded.test.y_n[draw.test_rows]
    # One object, so that what does not depend on labels is not made anew for each.
    seen = SeenDraw(view, draw, y_n)

    def score(labels_n: np.ndarray) -> float:
        return auroc(y_m, ARMS[arm](seen.relabelled(labels_n))[0])

    true = score(y_n)
    n_positive = int(y_n.sum())
    exact = math.comb(len(y_n), n_positive) <= most
    others = [
        true if np.array_equal(labels_n, y_n) else score(labels_n)
        for labels_n in (_all(len(y_n), n_positive) if exact else _some(y_n, most, draw.number))
    ]
    reached = sum(other >= true - 1e-12 for other in others)
    total = len(others) + (not exact)
    return PermutationTest(true, (reached + (not exact)) / total, total, exact)


def permutation_table(
    loaded: LoadedTask,
    arms: Sequence[str],
    *,
    guide: "GeneGuide | None" = None,
    pca: PcaMaps | None = None,
    centred: Sequence[bool] = (True,),
    most: int = MOST,
) -> pd.DataFrame:
    """The first draw of six a group, every arm; no row where a task has too few samples for six.

    Columns: task, family, k, draw, arm, centred, auroc, p, relabellings, exact.
    """
    rows = [
        {
            "task": loaded.name,
            "family": loaded.family,
            "k": PERMUTED_K,
            "draw": draw.number,
            "arm": arm,
            "centred": view.centred,
            **asdict(permutation_test(view, draw, arm, most=most)),
        }
        for draw in draws(loaded, PERMUTED_K, 1)
        for view in both_views(loaded, guide, pca)
        for arm in arms
        if view.centred in centred and (view.centred or arm not in CENTRED_ONLY)
        if has_what_it_needs(arm, guide=guide, pca=pca)
    ]
    columns = ["task", "family", "k", "draw", "arm", "centred", "auroc", "p", "relabellings", "exact"]
    return pd.DataFrame(rows, columns=columns)


def _all(n: int, n_positive: int) -> Iterator[np.ndarray]:
    for chosen in itertools.combinations(range(n), n_positive):
        labels_n = np.zeros(n)
        labels_n[list(chosen)] = 1
        yield labels_n


def _some(y_n: np.ndarray, most: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for _ in range(most):
        yield rng.permutation(y_n)
