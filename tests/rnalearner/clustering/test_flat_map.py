import numpy as np
import pytest

from rnalearner.clustering.flat_map import placed, umap_positions
from rnalearner.each import threads


def test_the_map_keeps_groups_apart_and_is_the_same_for_a_seed():
    rng = np.random.default_rng(0)
    group_n = np.repeat([0, 1], 30)
    scores_nk = rng.normal(size=(60, 5)) + 30 * group_n[:, None]
    positions_n2 = umap_positions(scores_nk, 3)
    assert positions_n2.shape == (60, 2)
    gap = np.linalg.norm(positions_n2[group_n == 0].mean(axis=0) - positions_n2[group_n == 1].mean(axis=0))
    assert gap > 2 * positions_n2[group_n == 0].std(axis=0).max()
    np.testing.assert_array_equal(positions_n2, umap_positions(scores_nk, 3))


def test_a_sample_that_is_not_mapped_stands_beside_those_that_it_resembles():
    rng = np.random.default_rng(0)
    group_n = np.arange(4000) % 2
    scores_nk = (rng.normal(size=(4000, 5)) + 30 * group_n[:, None]).astype(np.float32)
    mapped = np.arange(0, 4000, 7)
    positions_m2 = np.column_stack([10.0 * group_n[mapped], rng.normal(size=len(mapped))])
    positions_n2 = placed(scores_nk, mapped, positions_m2, threads(2))
    np.testing.assert_allclose(positions_n2[mapped], positions_m2, atol=1e-6)
    np.testing.assert_allclose(positions_n2[:, 0], 10 * group_n, atol=1e-4)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_twin_of_a_mapped_sample_stands_where_it_does_whatever_the_unit(unit: float):
    scores_nk = (unit * np.array([[0, 0], [1, 0], [0, 1], [1, 0]])).astype(np.float32)
    positions_n2 = placed(scores_nk, np.arange(3), np.array([[0.0, 0.0], [5.0, 1.0], [9.0, 9.0]]))
    np.testing.assert_allclose(positions_n2[3], [5, 1], atol=1e-3)
