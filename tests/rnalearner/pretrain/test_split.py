import numpy as np
import pandas as pd
import pytest

from rnalearner.errors import CountsError
from rnalearner.pretrain.split import choose_rows, split_studies

OBS = pd.DataFrame({"study": [f"S{i % 10}" for i in range(100)]})


def test_no_study_is_on_both_sides_and_no_row_is_lost():
    train, valid = split_studies(OBS, np.arange(100), 0.3, seed=0)
    assert set(OBS.study[train]).isdisjoint(OBS.study[valid])
    assert OBS.study[valid].nunique() == 3
    assert sorted([*train, *valid]) == list(range(100))


def test_at_least_one_study_is_held_out_and_at_least_one_trains():
    rows = np.flatnonzero(OBS.study.isin(["S1", "S2"]))
    for share in (0.01, 0.99):
        train, valid = split_studies(OBS, rows, share, seed=0)
        assert OBS.study[train].nunique() == OBS.study[valid].nunique() == 1


def test_only_the_given_rows_are_used():
    rows = np.flatnonzero(OBS.study != "S3")
    train, valid = split_studies(OBS, rows, 0.3, seed=0)
    assert set(train) | set(valid) == set(rows)


def test_the_same_seed_holds_out_the_same_studies_and_another_seed_others():
    held = [frozenset(OBS.study[split_studies(OBS, np.arange(100), 0.3, s)[1]]) for s in (0, 0, 1, 2, 3)]
    assert held[0] == held[1]
    assert len(set(held)) > 1


def test_one_study_cannot_be_split():
    with pytest.raises(CountsError, match="at least two studies"):
        split_studies(OBS, np.flatnonzero(OBS.study == "S1"), 0.2, seed=0)


def test_scored_rows_are_distinct_ascending_and_at_most_so_many():
    chosen = choose_rows(np.arange(50, 90), 12, seed=0)
    assert len(set(chosen)) == 12
    assert (np.diff(chosen) > 0).all()
    assert choose_rows(np.arange(5), 12, seed=0).tolist() == [0, 1, 2, 3, 4]
