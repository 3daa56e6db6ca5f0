import math

from rnalearner.pretrain.stopping import EarlyStopping


def after(losses: list[float], patience: int) -> EarlyStopping:
    state = EarlyStopping(patience)
    for index, loss in enumerate(losses):
        state = state.after(10 * (index + 1), loss)
    return state


def test_it_stops_after_patience_evaluations_without_a_lower_loss():
    assert not after([3, 2, 2.5], 2).stop
    assert after([3, 2, 2.5, 2.1], 2).stop


def test_an_equal_loss_is_no_improvement():
    assert after([2, 2], 1).stop


def test_a_lower_loss_starts_the_count_again_and_is_remembered():
    state = after([3, 4, 2, 5], 2)
    assert (state.best_step, state.best_loss, state.waited, state.stop) == (30, 2, 1, False)
    assert after([3, 4, 2], 2).improved
    assert not state.improved


def test_a_loss_that_is_not_a_number_counts_as_no_improvement():
    state = after([math.nan, math.nan], 2)
    assert state.stop
    assert state.best_loss is None
    assert not state.improved
