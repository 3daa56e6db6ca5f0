"""Linear arms on all draws of one task and k, as rows of results."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
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
    return results_table(row for draw in draws for row in _rows(views, k, draw, runnable, seeds))


def has_what_it_needs(arm: str, *, guide: "GeneGuide | None", pca: PcaMaps | None) -> bool:
    """Whether the arm can run on a task with this guide and these components."""
    return not ((arm in GUIDED_ARMS and guide is None) or (arm == "pca10" and pca is None))


def _rows(
    views: tuple[TaskView, TaskView], k: int, draw: Draw, arms: Sequence[str], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    plain, centred = views
    loaded = plain.loaded
    y_m = loaded.test.y_n[draw.test_rows]
    seen = SeenDraw(plain, draw, loaded.train.y_n[draw.train_rows])
    for view in (seen, seen.centred_by(centred)):
        for arm in arms:
            if arm in CENTRED_ONLY and not view.centred:
                continue
            for seed in seeds if arm in STOCHASTIC else (0,):
                score_m, probability_m = ARMS[arm](replace(view, seed=seed) if seed else view)
                yield result_row(loaded, k, draw.number, seed, arm, view.centred, y_m, score_m, probability_m)
