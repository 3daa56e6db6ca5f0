"""What a first look tells of tables of known make: correlations, components, what keeps samples apart."""

import numpy as np
import pytest

from rnalearner.clustering.glance import (
    components,
    divides,
    name_parts,
    nearly_alike,
    separations,
    similarity,
)
from rnalearner.preprocessing.normalize import log2p1_cpm

N, G = 12, 9000
LABEL = ["a"] * 6 + ["b"] * 6
DAY = ["mon", "fri"] * 6


def counts(seed: int = 0, **effects: float) -> np.ndarray:
    """n x g; `day` and `label` multiply some genes' counts in half of the samples."""
    rng = np.random.default_rng(seed)
    mean_ng = np.broadcast_to(rng.gamma(1, 300, G), (N, G)).copy()
    mean_ng[::2, :600] *= effects.get("day", 1)
    mean_ng[6:, 600:1500] *= effects.get("label", 1)
    return rng.negative_binomial(5, 5 / (5 + mean_ng)).astype(np.float32)


def looked(counts_ng: np.ndarray, groupings: dict[str, list[str]], label: list[str] | None = None):
    found = components(similarity(counts_ng, counts_ng.sum(axis=1, dtype=np.float64)))
    return separations(found, groupings, label, np.random.default_rng(0))


def test_correlations_and_components_are_those_of_the_matrix_itself():
    counts_ng = counts(day=3, label=2)
    x_ng = log2p1_cpm(counts_ng, counts_ng.sum(axis=1)).astype(np.float64)
    alike = similarity(counts_ng, counts_ng.sum(axis=1))
    np.testing.assert_allclose(alike.correlation_nn, np.corrcoef(x_ng), atol=1e-6)
    left_nn, value_n, _ = np.linalg.svd(x_ng - x_ng.mean(axis=0), full_matrices=False)
    found = components(alike)
    np.testing.assert_allclose(found.explained_k, (value_n**2 / (value_n**2).sum())[:3], atol=1e-6)
    np.testing.assert_allclose(np.abs(found.scores_nk), np.abs((left_nn * value_n)[:, :3]), atol=1e-2)


def test_the_farthest_sample_lies_on_the_positive_side():
    for seed in range(3):
        counts_ng = counts(seed)
        scores_nk = components(similarity(counts_ng, counts_ng.sum(axis=1))).scores_nk
        assert (scores_nk.max(axis=0) == np.abs(scores_nk).max(axis=0)).all()


@pytest.mark.parametrize(("n", "k"), [(1, 0), (2, 1), (3, 2)])
def test_few_samples_have_fewer_components(n, k):
    counts_ng = counts()[:n]
    found = components(similarity(counts_ng, counts_ng.sum(axis=1)))
    assert found.scores_nk.shape == (n, k)
    assert found.explained_k.sum() == pytest.approx(min(1, k))


def test_samples_that_are_all_the_same_have_no_component_and_are_alike():
    same = np.repeat(counts()[:1], 3, axis=0)
    alike = similarity(same, same.sum(axis=1))
    assert components(alike).scores_nk.shape == (3, 0)
    assert nearly_alike(alike, 0.999) == [(0, 1), (0, 2), (1, 2)]
    assert nearly_alike(similarity(counts(), counts().sum(axis=1)), 0.999) == []


def test_a_balanced_batch_is_found_beside_a_larger_effect_of_the_label():
    told, batch = looked(counts(day=3, label=6), {"day": DAY, "half": list("aabb" * 3)}, LABEL)
    assert batch == "day"
    assert told["day"].share > 0.5
    assert told["half"].share < 0.2
    assert not told["day"].confounded


def test_what_chance_makes_is_seldom_called_a_batch():
    """Of tables without any batch, and three groupings each, about one in twenty."""
    groupings = {"day": DAY, "half": list("aabb" * 3), "third": list("xyz" * 4)}
    called = sum(looked(counts(seed)[:, :400], groupings, LABEL)[1] is not None for seed in range(40))
    assert called <= 5


def test_a_grouping_that_is_the_label_is_confounded_and_no_batch():
    run = ["first"] * 6 + ["second"] * 6
    told, batch = looked(counts(label=6), {"run": run, "day": DAY}, LABEL)
    assert told["run"].confounded
    assert told["run"].share == 0
    assert batch is None


def test_without_labels_shares_are_told_and_no_batch_is_suspected():
    told, batch = looked(counts(label=6), {"letter": LABEL, "day": DAY})
    assert told["letter"].share > 0.5
    assert batch is None


def test_names_are_cut_where_all_are_cut_alike():
    names = [f"Mmus_{group}-rep{rep}.B{rep % 2}x" for group in ("FLT", "GC") for rep in range(1, 4)]
    parts = name_parts(names)
    assert parts == {
        "part 2 of the names": ["FLT"] * 3 + ["GC"] * 3,
        "part 3 of the names": ["rep1", "rep2", "rep3"] * 2,
        "part 4 of the names": ["B1x", "B0x", "B1x"] * 2,
    }
    assert name_parts(["FLT1", "FLT2", "GC1", "GC2"]) == {
        "part 1.1 of the names": ["FLT", "FLT", "GC", "GC"],
        "part 1.2 of the names": ["1", "2", "1", "2"],
    }
    assert name_parts(["a_1", "b", "c_2", "d_4_5"]) == {}
    assert name_parts(["s1", "s2", "s3", "s4"]) == {}


def test_groupings_have_a_value_for_every_sample_and_two_samples_a_value():
    assert divides(["a", "a", "b", "b"])
    assert not divides(["a", "a", "a", "a"])
    assert not divides(["a", "b", "c", "d"])
    assert not divides(["a", "a", "b", ""])


def test_a_large_table_is_looked_at_in_one_pass_of_bounded_memory():
    """A thousand samples need no second matrix of their size."""
    import tracemalloc

    counts_ng = np.random.default_rng(0).poisson(3, (200, 20_000)).astype(np.float32)
    tracemalloc.start()
    try:
        similarity(counts_ng, counts_ng.sum(axis=1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < counts_ng.nbytes
