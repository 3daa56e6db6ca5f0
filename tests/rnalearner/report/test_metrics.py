import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from rnalearner.report.metrics import (
    Estimate,
    accuracy_interval,
    fewest_right_above_chance,
    score,
    seed_averaged_accuracy,
)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_where_the_binomial_tails_hold_two_and_a_half_percent(case):
    right, n = case
    interval = accuracy_interval(right, n)
    assert interval.mean == right / n
    if right > 0:
        assert binom.sf(right - 1, n, interval.low) == pytest.approx(0.025)
    if right < n:
        assert binom.cdf(right, n, interval.high) == pytest.approx(0.025)


def test_ten_of_twelve_leaves_much_open():
    interval = accuracy_interval(10, 12)
    assert (round(interval.low, 3), round(interval.high, 3)) == (0.516, 0.979)


def test_more_seeds_that_agree_do_not_narrow_the_interval():
    right = np.array([1, 1, 0, 1, 1, 1])
    assert seed_averaged_accuracy(np.tile(right, (9, 1))) == seed_averaged_accuracy(right[None])


def test_seeds_that_disagree_average_the_accuracy():
    interval = seed_averaged_accuracy(np.array([[1, 1, 0, 0], [1, 0, 1, 0]]))
    assert interval == accuracy_interval(2, 4)


def test_a_perfect_dozen_is_not_certain():
    assert seed_averaged_accuracy(np.ones((5, 12))).low == pytest.approx(0.025 ** (1 / 12))


def test_scores_are_means_over_seeds():
    y, probability = np.array([0, 1, 0, 1]), np.array([[0.1, 0.9, 0.2, 0.8], [0.6, 0.4, 0.3, 0.7]])
    scores = score(y, probability > 0.5, probability, probability)
    assert (scores.n_test, scores.seeds) == (4, 2)
    assert scores.accuracy.mean == 0.75
    assert scores.auroc == (1 + 0.75) / 2
    assert scores.brier == pytest.approx((0.025 + (0.36 + 0.36 + 0.09 + 0.09) / 4) / 2)


def test_no_test_samples_give_no_number():
    nothing = np.empty((0, 0))
    scores = score(np.empty(0), nothing, nothing, nothing)
    assert np.isnan([scores.accuracy.mean, scores.accuracy.low, scores.auroc, scores.brier]).all()


def test_overlap_is_symmetric():
    low, high, middle = Estimate(0.2, 0.1, 0.4), Estimate(0.8, 0.5, 0.9), Estimate(0.45, 0.3, 0.6)
    assert not low.overlaps(high)
    assert not high.overlaps(low)
    assert middle.overlaps(low)
    assert high.overlaps(middle)


def test_a_sample_without_a_probability_leaves_the_accuracy_unknown():
    scores = score(
        np.array([0, 1]), np.array([[0, np.nan]]), np.array([[0.1, np.nan]]), np.array([[0.1, np.nan]])
    )
    assert np.isnan([scores.accuracy.mean, scores.auroc, scores.brier]).all()


def test_three_classes_are_scored_by_their_calls_and_against_the_rest():
    y, p = np.array([0, 1, 2]), np.array([[[0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.6, 0.1, 0.3]]])
    scores = score(y, p.argmax(-1), p, p)
    assert scores.accuracy.mean == pytest.approx(2 / 3)
    assert scores.auroc == pytest.approx((0.75 + 1 + 0.75) / 3)
    assert scores.brier == pytest.approx((2 * (0.16 + 0.09 + 0.01) + 0.36 + 0.01 + 0.49) / 2 / 3)


def test_chance_is_easier_to_exclude_where_there_are_more_classes():
    assert fewest_right_above_chance(12, 1 / 3) == 8
    assert binom.sf(7, 12, 1 / 3) < 0.025 < binom.sf(6, 12, 1 / 3)


def test_five_samples_can_never_exclude_chance():
    assert fewest_right_above_chance(5) is None
    assert fewest_right_above_chance(6) == 6
    assert fewest_right_above_chance(12) == 10
