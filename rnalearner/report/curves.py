"""ROC and calibration of few samples, with intervals that say how little these can tell.

All intervals are of 95 %, and take samples as independent of each other; those of one subject are not, and
deserve wider ones. Shapes: n samples.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import roc_curve

from rnalearner.report.metrics import NOTHING, Estimate, accuracy_interval

EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the bins of predicted probability."""
ENOUGH_FOR_ERROR = 100
"""Samples below which the calibration error is mostly chance, and left out: with 12 of them one that is
perfectly calibrated has a mean error of .2, with 100 still .07."""


def roc_points(positive_n: np.ndarray, score_n: np.ndarray) -> pd.DataFrame:
    """A row a threshold, the highest first: false_positive_rate, sensitivity, low, high.

    low and high are the exact interval of that threshold's sensitivity (Clopper and Pearson 1934):
    pointwise, and silent about the false positive rate, which is as uncertain. No row where a side or a
    score is missing.
    """
    columns = ["false_positive_rate", "sensitivity", "low", "high"]
    n_positive = int(np.sum(positive_n))
    if n_positive in (0, len(positive_n)) or np.isnan(score_n).any():
        return pd.DataFrame(columns=columns, dtype=float)
    false_r, true_r, _ = roc_curve(positive_n, score_n, drop_intermediate=False)
    intervals = [accuracy_interval(round(share * n_positive), n_positive) for share in true_r]
    low_r, high_r = [interval.low for interval in intervals], [interval.high for interval in intervals]
    return pd.DataFrame(dict(zip(columns, (false_r, true_r, low_r, high_r), strict=True)))


def auroc_interval(auroc: float, y_n: np.ndarray) -> Estimate:
    """An AUROC of so many samples of each class with its interval: Newcombe 2006 (Stat Med 25:559), method 5.

    It takes the variance at its own ends, not at the estimate, so it does not collapse at an AUROC of 1, as
    DeLong's (1988) and a bootstrap do. Of more classes, whose AUROC is the mean of each against the rest,
    the ends are the means of the ends that each class would have with that mean. NaN where a class, or
    the AUROC, is missing.
    """
    y_n = np.asarray(y_n)
    classes, counts_c = np.unique(y_n, return_counts=True)
    if len(classes) < 2 or np.isnan(auroc):
        return NOTHING
    low = float(np.mean([_lowest(auroc, n, len(y_n) - n) for n in counts_c]))
    high = float(np.mean([1 - _lowest(1 - auroc, n, len(y_n) - n) for n in counts_c]))
    return Estimate(auroc, low, high)


def _lowest(auroc: float, m: int, n: int) -> float:
    """The AUROC below `auroc` whose own 95 % of estimates, of m and n samples, reach just up to it."""
    if auroc <= 0:
        return 0.0
    of_95 = float(norm.ppf(0.975))

    def beyond(candidate: float) -> float:
        return auroc - candidate - of_95 * float(np.sqrt(_variance(candidate, m, n)))

    return float(brentq(beyond, 0.0, min(auroc, 1 - 1e-12)))


def _variance(auroc: float, m: int, n: int) -> float:
    """Hanley and McNeil's (1982), for exponential scores, each side weighed as if both had (m + n) / 2."""
    half = (m + n) / 2 - 1
    spread = 1 + half * (1 - auroc) / (2 - auroc) + half * auroc / (1 + auroc)
    return auroc * (1 - auroc) * spread / (m * n)


def calibration_bins(event_n: np.ndarray, probability_n: np.ndarray) -> pd.DataFrame:
    """A row a quarter of the predicted probability that holds a sample.

    Columns: samples, probability (the mean predicted one), share (of the samples in which the event came
    true), low, high (its exact interval). Samples without a probability are in no bin.
    """
    known_n = ~np.isnan(probability_n)
    event_n, probability_n = np.asarray(event_n)[known_n], np.asarray(probability_n)[known_n]
    bin_n = np.digitize(probability_n, EDGES[1:-1])
    rows = []
    for number in np.unique(bin_n):
        inside = bin_n == number
        interval = accuracy_interval(int(event_n[inside].sum()), int(inside.sum()))
        rows.append((int(inside.sum()), float(probability_n[inside].mean()), *interval.as_dict().values()))
    return pd.DataFrame(rows, columns=["samples", "probability", "share", "low", "high"])


def calibration_error(bins: pd.DataFrame) -> float:
    """Expected calibration error: the mean distance of share and probability, weighed by samples.

    NaN of fewer than ENOUGH_FOR_ERROR samples.
    """
    n = int(bins["samples"].sum())
    if n < ENOUGH_FOR_ERROR:
        return float("nan")
    return float((bins["samples"] * (bins["share"] - bins["probability"]).abs()).sum() / n)
