import numpy as np

from rnalearner.clustering.strata import stratified_rows


def test_small_studies_come_whole_and_large_ones_share_the_rest_evenly():
    groups_n = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c", "d"], [1000, 500, 7, 1]))
    rows = stratified_rows(groups_n, 108, np.random.default_rng(1))
    counted = dict(zip(*np.unique(groups_n[rows], return_counts=True), strict=True))
    assert counted == {"a": 50, "b": 50, "c": 7, "d": 1}
    assert (np.diff(rows) > 0).all()


def test_no_more_are_drawn_than_asked_for_even_where_there_are_more_studies():
    rows = stratified_rows(np.arange(500), 20, np.random.default_rng(1))
    assert len(rows) == 20
    assert len(set(rows.tolist())) == 20


def test_few_samples_are_all_drawn():
    assert stratified_rows(np.zeros(5), 9, np.random.default_rng(1)).tolist() == [0, 1, 2, 3, 4]


def test_chance_decides_which_samples():
    groups_n = np.repeat([0, 1], 100)
    first, again, other = (stratified_rows(groups_n, 20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
