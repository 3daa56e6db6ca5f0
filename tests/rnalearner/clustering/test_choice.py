import numpy as np
import pytest

from rnalearner.clustering.assign import assign_sample_clusters
from rnalearner.clustering.choice import COLUMNS, choice_of_k
from rnalearner.each import Each, one_by_one, threads


@pytest.fixture(scope="module")
def four_clouds() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (240, 4)) + 20 * np.eye(4)[rng.integers(0, 4, 240)]


def judged(scores_nk: np.ndarray, k_list: tuple[int, ...], each: Each = one_by_one):
    clusters = assign_sample_clusters(scores_nk, k_list, np.random.default_rng(1))
    studies_n = np.arange(len(scores_nk)) % 5
    return choice_of_k(scores_nk, studies_n, clusters, np.random.default_rng(2), each).set_index("k")


def test_the_true_number_of_clouds_is_told_from_others(four_clouds: np.ndarray):
    choice = judged(four_clouds, (2, 4, 9))
    assert choice["silhouette"].idxmax() == 4
    assert choice["stability"].idxmax() == 4
    assert choice.loc[4, "stability_low"] == 1
    assert choice.loc[9, "stability_low"] <= choice.loc[9, "stability"] <= choice.loc[9, "stability_high"] < 1
    assert choice.loc[4, "smallest"] > 30


def test_noise_is_not_found_again(four_clouds: np.ndarray):
    noise = np.random.default_rng(3).normal(size=(240, 10))
    assert judged(noise, (9,)).loc[9, "stability"] < 0.5


def test_too_few_samples_have_no_stability_but_a_silhouette():
    scores_nk = np.repeat(np.eye(3), [3, 3, 2], axis=0) + np.arange(8)[:, None] / 1000
    choice = judged(scores_nk, (2, 3))
    assert np.isnan(choice.loc[3, "stability"])
    assert choice.loc[3, "silhouette"] > 0.9


def test_every_column_is_there_without_any_k():
    choice = choice_of_k(np.eye(3), np.zeros(3), {}, np.random.default_rng(0))
    assert list(choice.columns) == list(COLUMNS)
    assert choice.empty


def test_the_numbers_are_the_same_for_any_number_of_workers(four_clouds: np.ndarray):
    first, second = (judged(four_clouds, (3, 5), each) for each in (threads(1), threads(3)))
    assert first.equals(second)
