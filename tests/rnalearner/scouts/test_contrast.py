import numpy as np
import pytest

from rnalearner.scouts.contrast import Contrast, held_out_split


def test_a_split_holds_out_a_share_of_each_side():
    contrast = Contrast("", "", np.arange(50), np.arange(50, 70))
    rows, y_n, held_rows, held_y = held_out_split(contrast, 0.2, np.random.default_rng(0))
    assert sorted([*rows, *held_rows]) == list(range(70))
    assert np.bincount(y_n).tolist() == [40, 16]
    assert np.bincount(held_y).tolist() == [10, 4]
    assert ((rows >= 50) == y_n).all()
    assert ((held_rows >= 50) == held_y).all()


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_split_leaves_something_of_each_side_on_either_part(share):
    contrast = Contrast("", "", np.arange(2), np.arange(2, 5))
    _, y_n, _, held_y = held_out_split(contrast, share, np.random.default_rng(0))
    assert set(y_n) == set(held_y) == {0, 1}


def test_a_side_of_one_sample_cannot_be_split():
    with pytest.raises(ValueError, match="lonely has a side of fewer than two"):
        held_out_split(Contrast("lonely", "", np.arange(1), np.arange(1, 5)), 0.2, np.random.default_rng(0))
