"""Scores of an arm on a task's test samples, with how far so few samples can be trusted.

What the interval of an accuracy means: had the same fitted arm met *other test samples* of the same
kind, where could its accuracy lie? Seeds vary the training, never the test samples, so running more
seeds moves the mean but does not narrow the interval: the number of test samples sets its width.
Shapes: n test samples, r seeds (repeats of the training), c classes.
"""

from dataclasses import asdict, dataclass

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from rnalearner.linear.scores import auroc, brier


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval; all NaN where nothing was measured."""

    mean: float
    low: float
    high: float

    def overlaps(self, other: "Estimate") -> bool:
        """Whether some value lies in both intervals."""
        return self.low <= other.high and other.low <= self.high

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


NOTHING = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Scores:
    """An arm on one task's test samples."""

    n_test: int
    seeds: int
    accuracy: Estimate
    auroc: float
    brier: float


def accuracy_interval(n_right: float, n: int) -> Estimate:
    """Accuracy with its exact interval (Clopper and Pearson 1934); n_right may be fractional.

    A fraction arises when a sample is called right by some seeds only. The interval's beta quantiles
    are continuous in the count; with every seed agreeing they are the exact ones, and a sample that is
    right in part varies less than one that is right or wrong, so the interval errs to the wide side.
    A bootstrap would call 12 of 12 certain: this one says [.74, 1].
    """
    if n == 0 or np.isnan(n_right):
        return NOTHING
    low, high = proportion_confint(float(n_right), n, alpha=0.05, method="beta")
    return Estimate(float(n_right) / n, float(low), float(high))


def seed_averaged_accuracy(right_rn: np.ndarray) -> Estimate:
    """Mean accuracy over seeds; its interval is over test samples (see the module)."""
    if right_rn.size == 0:
        return NOTHING
    return accuracy_interval(float(right_rn.mean(0).sum()), right_rn.shape[1])


def score(y_n: np.ndarray, call_rn: np.ndarray, score_rnc: np.ndarray, probability_rnc: np.ndarray) -> Scores:
    """Scores of one arm: a row of each array a seed; `y_n` and `call_rn` are class numbers.

    `score_rnc` gives the AUROC and `probability_rnc` the Brier score: means of the seeds' own, NaN
    where one is NaN. Of two classes the class axis may be left out (`linear.scores`).
    """
    n_seeds, n_test = call_rn.shape
    if n_test == 0 or n_seeds == 0:
        return Scores(n_test, n_seeds, NOTHING, float("nan"), float("nan"))
    unknown = bool(np.isnan(call_rn.astype(float)).any())
    return Scores(
        n_test,
        n_seeds,
        NOTHING if unknown else seed_averaged_accuracy(call_rn == y_n),
        float(np.mean([auroc(y_n, score_nc) for score_nc in score_rnc])),
        float(np.mean([brier(y_n, probability_nc) for probability_nc in probability_rnc])),
    )


def fewest_right_above_chance(n: int, chance: float = 0.5) -> int | None:
    """Fewest right calls of `n` whose exact interval lies above `chance`; None where no count does."""
    return next((right for right in range(n + 1) if accuracy_interval(right, n).low > chance), None)
