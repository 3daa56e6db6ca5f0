"""ROC, AUROC and calibration against what can be worked out by hand, and against simulated truth."""

import numpy as np
import pytest
from scipy.stats import norm

from rnalearner.linear.scores import auroc
from rnalearner.report.curves import (
    ENOUGH_FOR_ERROR,
    auroc_interval,
    calibration_bins,
    calibration_error,
    roc_points,
)
from rnalearner.report.metrics import accuracy_interval

SIX_AND_SIX = np.array([0, 1] * 6)


def test_a_threshold_has_its_sensitivity_and_exact_interval():
    points = roc_points(np.array([1, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.1]))
    assert points["false_positive_rate"].tolist() == [0, 0, 0, 0.5, 0.5, 1]
    assert points["sensitivity"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])
    for row, right in zip(points.itertuples(), (0, 1, 2, 2, 3, 3), strict=True):
        expected = accuracy_interval(right, 3)
        assert (row.low, row.high) == (expected.low, expected.high)


def test_one_side_alone_or_a_missing_score_has_no_points():
    assert roc_points(np.ones(3), np.arange(3.0)).empty
    assert roc_points(np.array([0, 1]), np.array([0.1, np.nan])).empty


def test_six_and_six_in_perfect_order_are_not_certain():
    perfect = auroc_interval(1.0, SIX_AND_SIX)
    assert perfect.high == 1
    assert 0.6 < perfect.low < 0.8
    assert auroc_interval(1.0, np.repeat(SIX_AND_SIX, 10)).low > 0.96


def test_the_ends_lie_where_their_own_variance_puts_them():
    """Hanley and McNeil's variance, sides of equal size, worked out apart."""
    found = auroc_interval(0.8, SIX_AND_SIX)
    for end in (found.low, found.high):
        q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)
        variance = (end * (1 - end) + 5 * (q1 - end**2) + 5 * (q2 - end**2)) / 36
        assert abs(0.8 - end) == pytest.approx(norm.ppf(0.975) * np.sqrt(variance), rel=1e-6)


def test_the_interval_is_the_same_seen_from_the_other_side():
    y_n = np.array([0] * 4 + [1] * 9)
    above, below = auroc_interval(0.8, y_n), auroc_interval(0.2, 1 - y_n)
    assert (above.low, above.high) == pytest.approx((1 - below.high, 1 - below.low))


def test_more_classes_have_the_mean_of_their_ends():
    y_n = np.array([0, 1, 2] * 4)
    one = auroc_interval(0.7, (y_n == 0).astype(int))
    assert auroc_interval(0.7, y_n).as_dict() == pytest.approx(one.as_dict())


def test_without_a_class_or_an_auroc_there_is_no_interval():
    assert np.isnan(auroc_interval(0.5, np.ones(4)).low)
    assert np.isnan(auroc_interval(float("nan"), SIX_AND_SIX).low)


@pytest.mark.parametrize("truth", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("n", [6, 20])
def test_about_95_of_100_intervals_hold_the_truth(truth: float, n: int):
    """Normal scores, which are not those that the variance is of."""
    rng, y_n = np.random.default_rng(0), np.repeat([0, 1], n)
    shift = np.sqrt(2) * norm.ppf(truth)
    estimates = [auroc(y_n, rng.normal(0, 1, 2 * n) + shift * y_n) for _ in range(1000)]
    intervals = {estimate: auroc_interval(estimate, y_n) for estimate in set(estimates)}
    held = np.mean([intervals[e].low <= truth <= intervals[e].high for e in estimates])
    assert 0.925 <= held <= 1


def test_a_bin_has_its_share_with_its_exact_interval_and_an_empty_one_is_left_out():
    probability_n = np.array([0.1, 0.2, 0.3, 0.8, 0.9, 1.0, np.nan])
    bins = calibration_bins(np.array([0, 1, 0, 1, 1, 1, 1]), probability_n)
    assert bins["samples"].tolist() == [2, 1, 3]
    assert bins["probability"].tolist() == pytest.approx([0.15, 0.3, 0.9])
    assert bins["share"].tolist() == [0.5, 0, 1]
    assert bins.iloc[2][["share", "low", "high"]].tolist() == list(accuracy_interval(3, 3).as_dict().values())


def test_of_few_samples_no_calibration_error_is_given():
    event_n, probability_n = np.tile([1, 0], ENOUGH_FOR_ERROR // 2), np.full(ENOUGH_FOR_ERROR, 0.7)
    assert calibration_error(calibration_bins(event_n, probability_n)) == pytest.approx(0.2)
    assert np.isnan(calibration_error(calibration_bins(event_n[1:], probability_n[1:])))


def test_what_is_said_of_the_calibration_error_by_chance_is_so():
    rng = np.random.default_rng(0)

    def by_chance(n: int) -> float:
        found = []
        for _ in range(400):
            p_n = rng.random(n)
            bins = calibration_bins(rng.random(n) < p_n, p_n)
            found.append((bins["samples"] * (bins["share"] - bins["probability"]).abs()).sum() / n)
        return float(np.mean(found))

    assert by_chance(12) == pytest.approx(0.2, abs=0.03)
    assert by_chance(ENOUGH_FOR_ERROR) == pytest.approx(0.07, abs=0.01)
