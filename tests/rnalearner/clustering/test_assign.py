import logging

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from rnalearner.clustering.assign import (
    assign_sample_clusters,
    centres_from,
    n_starts,
    nearest,
    sample_cluster_centres,
)
from rnalearner.each import one_by_one, threads


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


def test_many_samples_have_fewer_starts():
    assert n_starts(20_000) == 10
    assert n_starts(205_297) == 3


def test_the_bits_of_the_centres_are_the_same_for_any_number_of_workers():
    scores_nk = np.random.default_rng(0).normal(size=(3000, 5)).astype(np.float32)
    first, second = (
        sample_cluster_centres(scores_nk, (3, 8), np.random.default_rng(1), each)
        for each in (one_by_one, threads(2))
    )
    for k in (3, 8):
        np.testing.assert_array_equal(first[k], second[k])


def test_from_the_same_first_samples_k_means_of_memory_finds_the_same():
    scores_nk = np.random.default_rng(0).normal(size=(900, 5)).astype(np.float32)
    first_n = np.array([4, 88, 700, 31])
    theirs = KMeans(4, init=scores_nk[first_n], n_init=1).fit_predict(scores_nk)
    ours = nearest(scores_nk, centres_from(scores_nk, first_n))
    assert adjusted_rand_score(theirs, ours) > 0.999
    assert (np.diff(np.bincount(ours)) <= 0).all()


def test_the_nearest_centre_of_a_sample_depends_on_no_other_sample():
    rng = np.random.default_rng(0)
    scores_nk, centres_ck = rng.normal(size=(9000, 5)), rng.normal(size=(20, 5))
    labels_n = nearest(scores_nk, centres_ck)
    distance_nc = ((scores_nk[:, None] - centres_ck) ** 2).sum(axis=2)
    np.testing.assert_array_equal(labels_n, distance_nc.argmin(axis=1))
    np.testing.assert_array_equal(nearest(scores_nk[5000:5003], centres_ck), labels_n[5000:5003])
