import numpy as np
import pytest

from rnalearner.shards.thinning import thin


def test_whole_counts_thin_to_a_binomial() -> None:
    counts_ng = np.full((2, 20_000), 50, np.float32)
    thinned_ng = thin(counts_ng, np.array([0.2, 0.7]), np.random.default_rng(0))
    assert thinned_ng.dtype == np.float32
    np.testing.assert_array_equal(thinned_ng, np.floor(thinned_ng))
    # Mean n p and variance n p (1 - p), within five standard errors or so.
    np.testing.assert_allclose(thinned_ng.mean(axis=1), [10, 35], rtol=0.01)
    np.testing.assert_allclose(thinned_ng.var(axis=1), [8, 10.5], rtol=0.05)


def test_zero_and_not_measured_stay() -> None:
    thinned_ng = thin(np.array([[0, np.nan, 1e6]], np.float32), np.array([0.5]), np.random.default_rng(0))
    assert thinned_ng[0, 0] == 0
    assert np.isnan(thinned_ng[0, 1])
    assert 4.9e5 < thinned_ng[0, 2] < 5.1e5


def test_all_or_nothing_is_exact_also_for_fractions_and_large_counts() -> None:
    counts_ng = np.array([[2.5, 3e9, 0.25], [2.5, 3e9, 0.25]], np.float32)
    thinned_ng = thin(counts_ng, np.array([1.0, 0.0]), np.random.default_rng(0))
    np.testing.assert_array_equal(thinned_ng, [counts_ng[0], [0, 0, 0]])


def test_a_fractional_rest_is_scaled() -> None:
    thinned_ng = thin(np.full((1, 1000), 0.5, np.float32), np.array([0.4]), np.random.default_rng(0))
    np.testing.assert_allclose(thinned_ng, 0.2)


def test_the_generator_decides() -> None:
    counts_ng = np.full((3, 100), 40, np.float32)
    one, same, other = (thin(counts_ng, np.full(3, 0.5), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_the_given_counts_do_not_change_and_shares_are_checked() -> None:
    counts_ng = np.full((1, 3), 9, np.float32)
    thin(counts_ng, np.array([0.1]), np.random.default_rng(0))
    assert (counts_ng == 9).all()
    with pytest.raises(ValueError, match="shares"):
        thin(counts_ng, np.array([1.5]), np.random.default_rng(0))
