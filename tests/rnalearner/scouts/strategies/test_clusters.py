"""Strategies between the sample clusters of the whole corpus, other than the published one."""

import numpy as np

from tests.toy_samples import FIRST_ROW, toy_samples


def clusters_on_a_line():
    """Four sample clusters of ten at 0, 1, 4 and 9: six distances, all different; one of three at 100."""
    clusters_n = np.repeat([0, 1, 2, 3, 4], [10, 10, 10, 10, 3])
    values_ng = np.array([0.0, 1, 4, 9, 100])[clusters_n][:, None] + np.zeros((43, 5))
    values_ng[:3, 2] = np.nan  # unmeasured here and there: it must not hide the distance
    return toy_samples(values_ng, ["S"] * 43, clusters=clusters_n), clusters_n


def test_graded_pairs_go_from_far_apart_to_close_together(plan):
    samples, _ = clusters_on_a_line()
    found, left_out = plan("graded", samples, 100)
    pairs = ["0 against 3", "1 against 3", "2 against 3", "0 against 2", "1 against 2", "0 against 1"]
    assert [contrast.name for contrast in found] == [f"sample cluster {pair}" for pair in pairs]
    assert left_out == ["sample cluster 4 did not scout: 3 samples, fewer than 6"]


def test_fewer_graded_pairs_are_spread_evenly_over_difficulty(plan):
    samples, _ = clusters_on_a_line()
    found, _ = plan("graded", samples, 3)
    pairs = ["0 against 3", "2 against 3", "0 against 1"]
    assert [contrast.name for contrast in found] == [f"sample cluster {pair}" for pair in pairs]


def test_one_against_the_rest_asks_every_sample_cluster_once(plan):
    samples, clusters_n = clusters_on_a_line()
    found, left_out = plan("one_against_rest", samples, 1)
    for label, contrast in enumerate(found):
        assert contrast.name == f"sample cluster {label} against the rest"
        assert contrast.rows_a.tolist() == (FIRST_ROW + np.flatnonzero(clusters_n == label)).tolist()
        assert contrast.rows_b.tolist() == (FIRST_ROW + np.flatnonzero(clusters_n != label)).tolist()
    assert len(found) == 4
    assert len(left_out) == 1


def test_the_rest_is_capped(plan):
    samples, _ = clusters_on_a_line()
    found, _ = plan("one_against_rest", samples, 1, max_samples=16)
    assert {(len(contrast.rows_a), len(contrast.rows_b)) for contrast in found} == {(8, 8)}
