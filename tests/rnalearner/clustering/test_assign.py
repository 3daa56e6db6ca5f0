import logging

import numpy as np
from sklearn.metrics import adjusted_rand_score

from rnalearner.clustering.assign import assign_sample_clusters


def three_clouds():
    """30, 20 and 10 samples far from each other, and the cloud of each, in mixed order."""
    rng = np.random.default_rng(0)
    cloud_n = rng.permutation(np.repeat([0, 1, 2], [30, 20, 10]))
    return rng.normal(0, 0.1, (60, 4)) + 10 * np.eye(4)[cloud_n], cloud_n


def test_clouds_are_found_and_numbered_from_the_largest():
    scores_nk, cloud_n = three_clouds()
    labels = assign_sample_clusters(scores_nk, (3,), np.random.default_rng(1))
    np.testing.assert_array_equal(labels[3], cloud_n)


def test_every_k_gives_labels_from_zero_without_gaps():
    scores_nk, cloud_n = three_clouds()
    labels = assign_sample_clusters(scores_nk, (2, 3, 5, 12), np.random.default_rng(1))
    assert list(labels) == [2, 3, 5, 12]
    for k, labels_n in labels.items():
        assert sorted(set(labels_n.tolist())) == list(range(k))
        sizes = np.bincount(labels_n)
        assert (np.diff(sizes) <= 0).all()
    assert adjusted_rand_score(labels[3], cloud_n) == 1


def test_a_k_as_large_as_the_samples_is_skipped_and_reported(caplog):
    scores_nk, _ = three_clouds()
    with caplog.at_level(logging.WARNING):
        labels = assign_sample_clusters(scores_nk[:8], (2, 8, 30), np.random.default_rng(1))
    assert list(labels) == [2]
    assert "[8, 30]" in caplog.text
    assert "8 samples" in caplog.text


def test_repeated_samples_do_not_ask_for_more_groups_than_there_are():
    labels = assign_sample_clusters(np.repeat(np.eye(3), 4, axis=0), (2, 3, 5), np.random.default_rng(1))
    assert list(labels) == [2, 3]


def test_the_same_generator_gives_the_same_labels():
    scores_nk = np.random.default_rng(0).normal(size=(80, 3))
    first = assign_sample_clusters(scores_nk, (4, 7), np.random.default_rng(5))
    second = assign_sample_clusters(scores_nk, (4, 7), np.random.default_rng(5))
    for k in (4, 7):
        np.testing.assert_array_equal(first[k], second[k])
