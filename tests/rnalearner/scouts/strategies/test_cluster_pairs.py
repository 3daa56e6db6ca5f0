import numpy as np
import pytest

from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import Contrast
from tests.toy_samples import FIRST_ROW, toy_samples


@pytest.fixture
def planned(plan):
    """Contrasts over sample clusters of these sizes, what was left out, and the cluster of each sample."""

    def run(sizes: dict[int, int], n: int, seed: int = 0, **options: object):
        labels_n = np.random.default_rng(1).permutation(np.repeat(list(sizes), list(sizes.values())))
        samples = toy_samples(np.zeros((len(labels_n), 1)), ["S"] * len(labels_n), clusters=labels_n)
        return *plan("cluster_pairs", samples, n, seed, **{"min_samples": 8} | options), labels_n

    return run


def pair_of(contrast: Contrast, labels_n: np.ndarray) -> tuple[int, int]:
    a, b = (set(labels_n[rows - FIRST_ROW]) for rows in (contrast.rows_a, contrast.rows_b))
    assert len(a) == len(b) == 1
    return a.pop(), b.pop()


@pytest.mark.parametrize("n_clusters", [2, 3, 4, 7, 30])
@pytest.mark.parametrize("n", [1, 5, 24, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_every_sample_cluster_scouts_cluster_0_too_and_no_pair_twice(planned, n_clusters, n, seed):
    found, left_out, labels_n = planned(dict.fromkeys(range(n_clusters), 8), n, seed)
    pairs = [pair_of(contrast, labels_n) for contrast in found]
    assert {cluster for pair in pairs for cluster in pair} == set(range(n_clusters))
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert all(a != b for a, b in pairs)
    cover, possible = (n_clusters + 1) // 2, n_clusters * (n_clusters - 1) // 2
    assert len(pairs) == min(max(n, cover), possible)
    assert left_out == []


def test_a_side_holds_its_whole_sample_cluster(planned):
    found, _, labels_n = planned({0: 9, 1: 11, 2: 8}, 3)
    for contrast in found:
        for cluster, rows in zip(
            pair_of(contrast, labels_n), (contrast.rows_a, contrast.rows_b), strict=True
        ):
            assert rows.tolist() == (FIRST_ROW + np.flatnonzero(labels_n == cluster)).tolist()
        assert contrast.inside == ""
        assert contrast.learns_g is None


def test_small_sample_clusters_do_not_scout_and_are_named(planned):
    found, left_out, labels_n = planned({0: 8, 1: 7, 2: 20, 3: 2}, 10)
    assert {frozenset(pair_of(contrast, labels_n)) for contrast in found} == {frozenset({0, 2})}
    assert [line.split(" did")[0] for line in left_out] == ["sample cluster 1", "sample cluster 3"]
    assert "7 samples" in left_out[0]


def test_both_sides_are_capped_alike(planned):
    found, _, _ = planned({0: 100, 1: 30, 2: 9}, 3, max_samples=20)
    sizes = {contrast.name: (len(contrast.rows_a), len(contrast.rows_b)) for contrast in found}
    assert sizes["sample cluster 0 against 1"] == (10, 10)
    assert sizes["sample cluster 0 against 2"] == (10, 9)
    assert all(len(set(contrast.rows_a)) == len(contrast.rows_a) for contrast in found)


@pytest.mark.parametrize("strategy", ["cluster_pairs", "graded", "one_against_rest"])
def test_one_large_sample_cluster_alone_is_refused(plan, strategy):
    samples = toy_samples(np.zeros((23, 1)), ["S"] * 23, clusters=[0] * 20 + [1] * 3)
    with pytest.raises(RecipeError, match="1 of 2 sample clusters have 6 samples, two are needed"):
        plan(strategy, samples)


def test_the_same_seed_gives_the_same_contrasts(planned):
    first, second, other = (planned(dict.fromkeys(range(9), 8), 5, seed)[0] for seed in (3, 3, 4))
    assert [c.name for c in first] == [c.name for c in second]
    assert [c.name for c in first] != [c.name for c in other]
