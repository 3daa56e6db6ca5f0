"""Linear arms on all draws of one task and k, as rows of results."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from rnalearner.benchmark.draws import Draw
from rnalearner.benchmark.linear_arms import ARMS, CENTRED_ONLY, GUIDED_ARMS, LINEAR_ARMS, STOCHASTIC
from rnalearner.benchmark.pca_arm import PcaMaps
from rnalearner.benchmark.results import result_row, results_table
from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.benchmark.views import SeenDraw, TaskView, both_views
from rnalearner.errors import RecipeError

if TYPE_CHECKING:
    from rnalearner.guide.gene_guide import GeneGuide


def score_linear(
    loaded: LoadedTask,
    k: int,
    draws: Sequence[Draw],
    arms: Sequence[str],
    *,
    guide: "GeneGuide | None" = None,
    pca: PcaMaps | None = None,
    seeds: Sequence[int] = (0,),
) -> pd.DataFrame:
    """Every arm, uncentred and centred, on every draw: a table with the columns of results.py.

    An arm without what it needs gives no row: a guided one without `guide`, `pca10` without `pca`.
    `seeds` are for arms that depend on one. Raises RecipeError for an unknown arm.
    """
    if unknown := [arm for arm in arms if arm not in ARMS]:
        what, remedy = "there is no such linear arm here", f"use one of {', '.join(LINEAR_ARMS)}"
        raise RecipeError(f"arm {unknown[0]!r}", what, remedy)
    runnable = [arm for arm in arms if has_what_it_needs(arm, guide=guide, pca=pca)]
    views = both_views(loaded, guide, pca)
    return results_table(row for view in views for row in _rows(view, k, draws, runnable, seeds))


def has_what_it_needs(arm: str, *, guide: "GeneGuide | None", pca: PcaMaps | None) -> bool:
    """Whether the arm can run on a task with this guide and these components."""
    return not ((arm in GUIDED_ARMS and guide is None) or (arm == "pca10" and pca is None))


def _rows(
    view: TaskView, k: int, draws: Sequence[Draw], arms: Sequence[str], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    train_y, test_y = view.loaded.train.y_n, view.loaded.test.y_n
    for draw in draws:
        y_m = test_y[draw.test_rows]
        for arm in arms:
            if arm in CENTRED_ONLY and not view.centred:
                continue
            for seed in seeds if arm in STOCHASTIC else (0,):
                seen = SeenDraw(view, draw, train_y[draw.train_rows], seed)
                score_m, probability_m = ARMS[arm](seen)
                yield result_row(
                    view.loaded, k, draw.number, seed, arm, view.centred, y_m, score_m, probability_m
                )
