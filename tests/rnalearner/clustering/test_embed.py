import numpy as np
import pytest

from rnalearner.clustering import embed
from rnalearner.clustering.embed import principal_components
from rnalearner.errors import CountsError


def a_line(n=60, g=5, noise=0.01):
    """Samples along one direction, (0.6, 0.8, 0, ...), and their positions on it."""
    rng = np.random.default_rng(0)
    position_n = rng.normal(size=n)
    direction_g = np.zeros(g)
    direction_g[:2] = 0.6, 0.8
    return 7 + np.outer(position_n, direction_g) + rng.normal(0, noise, (n, g)), position_n


def test_the_first_component_is_the_direction_along_which_samples_differ():
    values_ng, position_n = a_line()
    scores_nk, components = principal_components(values_ng, 2, np.random.default_rng(1))
    assert scores_nk.shape == (60, 2)
    assert scores_nk.dtype == np.float32
    np.testing.assert_allclose(np.abs(components.axes_kg[0, :2]), [0.6, 0.8], atol=0.01)
    assert abs(np.corrcoef(scores_nk[:, 0], position_n)[0, 1]) > 0.999
    assert components.variance_share_k[0] > 0.99


def test_scores_equal_those_of_a_singular_value_decomposition():
    values_ng = np.random.default_rng(2).normal(size=(20, 7))
    scores_nk, _ = principal_components(values_ng, 3, np.random.default_rng(1))
    left, singular, _ = np.linalg.svd(values_ng - values_ng.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(scores_nk), np.abs(left[:, :3] * singular[:3]), atol=1e-4)


def test_an_unmeasured_value_counts_as_the_mean_of_the_measured_ones():
    values_ng, _ = a_line()
    holes_ng = values_ng.copy()
    holes_ng[3, 1] = np.nan
    filled_ng = holes_ng.copy()
    filled_ng[3, 1] = np.delete(values_ng[:, 1], 3).mean()
    holes_nk, _ = principal_components(holes_ng, 2, np.random.default_rng(1))
    filled_nk, _ = principal_components(filled_ng, 2, np.random.default_rng(1))
    np.testing.assert_allclose(np.abs(holes_nk), np.abs(filled_nk), atol=1e-4)


def test_a_gene_that_was_never_measured_adds_nothing():
    values_ng, _ = a_line()
    wider_ng = np.column_stack([values_ng, np.full(60, np.nan)])
    scores_nk, _ = principal_components(values_ng, 2, np.random.default_rng(1))
    wider_nk, components = principal_components(wider_ng, 2, np.random.default_rng(1))
    np.testing.assert_allclose(np.abs(wider_nk), np.abs(scores_nk), atol=1e-4)
    assert np.abs(components.axes_kg[:, -1]).max() < 1e-6


def test_components_shrink_where_samples_are_few():
    scores_nk, components = principal_components(np.eye(4), 40, np.random.default_rng(1))
    assert scores_nk.shape == (4, 3)
    assert components.axes_kg.shape == (3, 4)


def test_many_samples_are_fitted_by_a_part_and_projected_in_batches(monkeypatch):
    monkeypatch.setattr(embed, "MAX_FIT_ROWS", 30)
    monkeypatch.setattr(embed, "PROJECTED_ROWS", 7)
    values_ng, position_n = a_line()
    scores_nk, components = principal_components(values_ng, 1, np.random.default_rng(1))
    assert abs(np.corrcoef(scores_nk[:, 0], position_n)[0, 1]) > 0.999
    np.testing.assert_allclose(components.project(values_ng[5:6]), scores_nk[5:6], atol=1e-5)


def test_the_same_generator_gives_the_same_scores():
    values_ng = np.random.default_rng(3).normal(size=(600, 80))  # large enough for random projections
    first_nk, _ = principal_components(values_ng, 5, np.random.default_rng(9))
    second_nk, _ = principal_components(values_ng, 5, np.random.default_rng(9))
    np.testing.assert_array_equal(first_nk, second_nk)


def test_one_sample_is_refused():
    with pytest.raises(CountsError, match="1 samples of 5 genes"):
        principal_components(np.ones((1, 5)), 2, np.random.default_rng(1))
