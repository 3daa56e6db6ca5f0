import pytest
import torch

from rnalearner.pretrain.schedule import learning_rate


@pytest.mark.parametrize("mult", [1, 2, 3])
def test_without_warm_up_it_is_torchs_cosine_annealing_with_warm_restarts(mult: int):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, 7, T_mult=mult)
    for step in range(60):
        assert learning_rate(step, 0.3, 0, 7, mult) == pytest.approx(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()


def test_warm_up_rises_evenly_from_above_zero_to_the_peak():
    rates = [learning_rate(step, 1.0, 4, 10) for step in range(5)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_it_is_half_the_peak_in_the_middle_of_a_period_and_restarts_at_its_end():
    assert learning_rate(5, 1.0, 0, 10) == pytest.approx(0.5)
    assert learning_rate(10, 1.0, 0, 10) == 1.0


def test_epochs_may_have_fractions():
    assert 0 < learning_rate(9.9, 1.0, 0, 10) < learning_rate(9.8, 1.0, 0, 10)
