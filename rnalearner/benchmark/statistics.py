"""What the results say: means in which each family has one vote, with a bootstrap over families.

Draws of a task share its samples and tasks of a family share animals, so neither are repeats: seeds
and draws are averaged to a task's mean, tasks to their family's, and only families are resampled.
Shapes: f families.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from rnalearner.benchmark.results import SCORES

Arm = tuple[str, bool]
"""An arm's name, and whether it is centred."""
RESAMPLES = 5000
_BY = ["k", "arm", "centred", "task", "family"]


@dataclass(frozen=True)
class Estimate:
    """A mean over families and its 95 % percentile interval; NaN where nothing was measured."""

    mean: float
    low: float
    high: float
    families: int
    tasks: int


NOTHING = Estimate(float("nan"), float("nan"), float("nan"), 0, 0)


def task_means(results: pd.DataFrame) -> pd.DataFrame:
    """A row a k, arm, centring and task: draws, seeds, and the means of the scores and of n_test.

    Seeds of a draw are averaged first, so that a draw with fewer seeds weighs as much.
    """
    columns = [*SCORES, "n_test"]
    by_draw = results.groupby([*_BY, "draw"], sort=True)
    of_draw = by_draw[columns].mean().assign(seeds=by_draw["seed"].nunique()).reset_index()
    by_task = of_draw.groupby(_BY, sort=True)
    means = by_task[columns].mean()
    means.insert(0, "draws", by_task["draw"].nunique())
    means.insert(1, "seeds", by_task["seeds"].max())
    return means.reset_index()


def draw_scores(results: pd.DataFrame, k: int, score: str = "auroc") -> pd.DataFrame:
    """A row a task, family and draw, a column an arm (name, centred); mean over seeds, NaN if not run."""
    of_k = results[results["k"] == k].dropna(subset=[score])
    by = ["task", "family", "draw", "arm", "centred"]
    return of_k.groupby(by, sort=True)[score].mean().unstack(["arm", "centred"])


def macro(scores: pd.DataFrame, arm: Arm) -> Estimate:
    """Mean of an arm (`draw_scores`) over draws, then tasks, then families."""
    return over_families(scores[arm]) if arm in scores else NOTHING


def difference(scores: pd.DataFrame, arm: Arm, other: Arm) -> Estimate:
    """How much more `arm` scores than `other`, on the draws of `draw_scores` that both were asked."""
    return over_families(scores[arm] - scores[other]) if {arm, other} <= set(scores) else NOTHING


def over_families(scores: "pd.Series[float]") -> Estimate:
    """Mean and interval of a column of `draw_scores`; NaN is left out, families are resampled.

    The same families are drawn for all columns that have as many. Of one family there is no interval:
    low and high are NaN.
    """
    of_task = scores.dropna().groupby(level=["task", "family"]).mean()
    votes_f = of_task.groupby(level="family", sort=True).mean().to_numpy(float)
    n = len(votes_f)
    if n == 0:
        return NOTHING
    low = high = float("nan")
    if n > 1:
        low, high = (float(bound) for bound in np.percentile(votes_f[_resampled(n)].mean(1), [2.5, 97.5]))
    return Estimate(float(votes_f.mean()), low, high, n, len(of_task))


@cache
def _resampled(n: int) -> np.ndarray:
    """Places of n families drawn with replacement, RESAMPLES times."""
    return np.random.default_rng(0).integers(0, n, (RESAMPLES, n))


def arms_of(results: pd.DataFrame) -> list[Arm]:
    """Every arm in the order of its first row, uncentred before centred."""
    pairs = results[["arm", "centred"]].drop_duplicates()
    order: Sequence[str] = list(dict.fromkeys(pairs["arm"]))
    held = set(pairs.itertuples(index=False, name=None))
    return [(arm, centred) for arm in order for centred in (False, True) if (arm, centred) in held]
