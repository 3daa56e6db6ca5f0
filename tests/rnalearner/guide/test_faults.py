"""What keeps a delta out of the guide, case by case."""

import numpy as np
import pytest

from rnalearner.guide.faults import Base, fault
from tests.toy_deltas import BASE, BEGAN, V, toy_delta


def v(value: float) -> np.ndarray:
    """Zeros but for the last number."""
    values = V.copy()
    values[-1, -1] = value
    return values


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        pytest.param(toy_delta(0, (1, -2), v=V), None, id="nothing wrong"),
        pytest.param(toy_delta(0, (0, 0), v=V), None, id="did not move"),
        pytest.param(toy_delta(0, (0, 0), v=v(1e-45)), None, id="moved by the least there is"),
        pytest.param(
            toy_delta(0, v=V, base="c" * 64),
            f"it began at base checkpoint {'c' * 12}, not {BASE[:12]}",
            id="other base",
        ),
        pytest.param(toy_delta(0), "its tensors are not those that train (v)", id="a tensor missing"),
        pytest.param(
            toy_delta(0, v=V, u=V), "its tensors are not those that train (u)", id="a tensor too many"
        ),
        pytest.param(toy_delta(0, v=V.T.copy()), "v is (3, 2), not (2, 3)", id="turned"),
        pytest.param(toy_delta(0, (1, 2, 3), v=V), "w is (3,), not (2,)", id="longer"),
        pytest.param(toy_delta(0, 1, v=V), "w is (), not (2,)", id="a number for a tensor"),
        pytest.param(toy_delta(0, (np.nan, 0), v=V), "w is not finite", id="nan"),
        pytest.param(toy_delta(0, v=v(np.inf)), "v is not finite", id="inf"),
        pytest.param(toy_delta(0, v=v(-np.inf)), "v is not finite", id="minus inf"),
        pytest.param(toy_delta(0, v=V, head_g=(0, np.nan, 1)), "its head is not finite", id="head nan"),
        pytest.param(
            toy_delta(0, v=V, head_g=(1, 2)), "its head is of (2,) genes, not (3,)", id="head of other genes"
        ),
        pytest.param(
            toy_delta(0, (30, 0), v=V),
            "it moved 10.6, more than 3 times the base's 1",
            id="outlying: the root of 900 / 8",
        ),
        pytest.param(
            toy_delta(0, (0, 0), v=v(3.4e38)),
            "it moved 1.2e+38, more than 3 times the base's 1",
            id="outlying beyond what a float32 could square",
        ),
    ],
)
def test_a_fault_is_said_in_words(delta, expected):
    assert fault(delta, BEGAN, max_movement=3) == expected


def test_the_first_fault_is_told_where_there_are_several():
    assert "began at" in str(fault(toy_delta(0, (np.nan,), base="c" * 64), BEGAN, max_movement=3))


@pytest.mark.parametrize(("moved", "outlying"), [(5.9, False), (6.0, False), (6.1, True)])
def test_a_movement_is_outlying_beyond_a_multiple_of_the_base_s_own_size(moved, outlying):
    base = Base(BASE, {"w": (2,)}, rms=2.0, n_genes=3)
    found = fault(toy_delta(0, (moved, -moved)), base, max_movement=3)
    assert (found is not None) == outlying


def test_a_base_is_measured_over_all_that_trains():
    weights = {"w": np.array([3.0, -1.0], np.float32), "v": np.full((2, 3), 2.0, np.float32)}
    base = Base.of(BASE, weights, n_genes=7)
    assert (base.sha256, base.shapes, base.n_genes) == (BASE, {"w": (2,), "v": (2, 3)}, 7)
    assert base.rms == pytest.approx(np.sqrt((9 + 1 + 6 * 4) / 8))
