from itertools import permutations

import numpy as np
import pytest

from rnalearner.errors import CheckpointError
from rnalearner.guide.aggregate import mean_movement, newest
from rnalearner.scouts.delta import WeightDelta


def delta(scout_id: int, *values: float, seq: int = 1, attempt: int = 0, base: str = "b0", **tensors):
    deltas = {"w": np.array(values, np.float32)} if values else {}
    return WeightDelta(scout_id, attempt, seq, seq, 10, base, deltas | tensors)


def random_deltas(n: int) -> list[WeightDelta]:
    rng = np.random.default_rng(0)
    return [delta(i, *(10.0 ** rng.uniform(-6, 0, 50))) for i in range(n)]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("squared", [(1 + 9 + 4) / 3, 0]), ("absolute", [2, 0]), ("signal_to_noise", [0, 0])],
)
def test_the_mean_is_over_scouts(measure, expected):
    found = mean_movement([delta(0, 1, 0), delta(1, -3, 0), delta(5, 2, 0)], measure)
    np.testing.assert_allclose(found["w"], expected, rtol=1e-15)
    assert found["w"].dtype == np.float64


def test_signal_to_noise_is_1_where_all_scouts_agree_and_small_where_each_goes_its_own_way():
    moved = [delta(0, 2, 1), delta(1, 2, -1), delta(2, 2, 1), delta(3, 2, 1)]
    np.testing.assert_allclose(mean_movement(moved, "signal_to_noise")["w"], [1, 1 / 4], rtol=1e-15)


def test_the_running_mean_equals_the_mean_of_all():
    deltas = random_deltas(13)
    stacked = np.stack([d.deltas["w"].astype(float) for d in deltas])
    np.testing.assert_allclose(mean_movement(deltas)["w"], (stacked**2).mean(0), rtol=1e-12)


def test_the_order_of_arrival_changes_no_bit():
    deltas = random_deltas(5)
    expected = mean_movement(deltas)["w"].tobytes()
    for arrived in permutations(deltas):
        assert mean_movement(newest(arrived))["w"].tobytes() == expected


def test_the_newest_of_a_scout_counts_and_late_or_repeated_ones_are_absorbed():
    arrived = [
        delta(1, 9, seq=4),
        delta(0, 1, seq=2),
        delta(0, 5, seq=1),
        delta(0, 1, seq=2),
        delta(1, 3, seq=1, attempt=1),
    ]
    assert [(d.scout_id, d.order) for d in newest(arrived)] == [(0, (0, 2)), (1, (1, 1))]
    np.testing.assert_array_equal(mean_movement(newest(arrived), "absolute")["w"], [2])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (delta(1, 1, np.nan), "scout 1: w is not finite"),
        (delta(1, np.inf, 1), "scout 1: w is not finite"),
        (delta(1, 1, 2, base="other"), "scout 1: began at base checkpoint other, scout 0 at b0"),
        (delta(1, 1, 2, 3), r"scout 1: w is \(3,\), that of scout 0 \(2,\)"),
        (delta(1, 1, 2, v=np.ones(1, np.float32)), r"not move the same tensors as scout 0 \(v\)"),
        (delta(1), r"not move the same tensors as scout 0 \(w\)"),
        (delta(0, 1, 2), "scout 0: its delta comes after that of scout 0"),
    ],
    ids=["nan", "inf", "other base", "other shape", "more tensors", "fewer tensors", "twice"],
)
def test_a_delta_that_does_not_fit_is_refused_with_its_reason(bad, message):
    with pytest.raises(CheckpointError, match=message):
        mean_movement([delta(0, 1, 2), bad])


def test_a_first_delta_that_is_not_finite_is_refused_too():
    with pytest.raises(CheckpointError, match="scout 0: w is not finite"):
        mean_movement([delta(0, np.nan)])


def test_no_delta_at_all_is_refused():
    with pytest.raises(CheckpointError, match="no scout has sent a delta"):
        mean_movement([])
