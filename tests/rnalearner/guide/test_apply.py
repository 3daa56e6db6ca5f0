"""The guide acts on the update. The same tests fail if it acts on the gradient, as published."""

import pytest
import torch
from torch import nn

from rnalearner.guide.apply import GuidedStep, blend

OPTIMISERS = {
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1),
    "AdamW, amsgrad": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1, amsgrad=True),
    "Adam, L2": lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=0.1),
    "SGD, momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=1e-3),
}


def parameter(n: int = 1000) -> nn.Parameter:
    return nn.Parameter(torch.randn(n, generator=torch.Generator().manual_seed(0)))


def gradient(step: int, n: int = 1000) -> torch.Tensor:
    """Of rms 1e-4, as gradients of an encoder are."""
    return 1e-4 * torch.randn(n, generator=torch.Generator().manual_seed(1 + step))


def train(
    optimiser: str, guide: float | torch.Tensor | None, steps: int, form: str = "update"
) -> torch.Tensor:
    """How far a parameter is from its start after some steps."""
    weight = parameter()
    guides = {} if guide is None else {weight: torch.as_tensor(guide).expand(weight.shape).clone()}
    step = GuidedStep(OPTIMISERS[optimiser]([weight]), guides, form=form)
    for i in range(steps):
        weight.grad = gradient(i)
        step()
    return weight.detach() - parameter().detach()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_with_a_guide_of_0_a_parameter_does_not_move_by_one_bit_even_under_weight_decay(optimiser):
    assert train(optimiser, None, 20).abs().min() > 0
    assert (train(optimiser, 0.0, 20) == 0).all()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_with_a_guide_of_1_a_parameter_moves_exactly_as_without_a_guide(optimiser):
    assert torch.equal(train(optimiser, 1.0, 20), train(optimiser, None, 20))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("guide", [0.5, 0.01])
def test_a_parameter_moves_the_guide_s_share_in_a_step(optimiser, guide):
    torch.testing.assert_close(
        train(optimiser, guide, 1), guide * train(optimiser, None, 1), rtol=0, atol=5e-7
    )


def test_half_as_far_in_a_step_from_a_state_with_moments():
    weights = [parameter(), parameter()]
    optimisers = [OPTIMISERS["AdamW"]([weight]) for weight in weights]
    steps = [GuidedStep(optimisers[0], {}), GuidedStep(optimisers[1], {})]
    for i in range(5):
        for weight, step in zip(weights, steps, strict=True):
            weight.grad = gradient(i)
            step()
    assert torch.equal(*weights)
    before = weights[0].detach().clone()
    steps[1] = GuidedStep(optimisers[1], {weights[1]: torch.full_like(before, 0.5)})
    for weight, step in zip(weights, steps, strict=True):
        weight.grad = gradient(5)
        step()
    free, guided = (weight.detach() - before for weight in weights)
    torch.testing.assert_close(guided, free / 2, rtol=0, atol=5e-7)
    # Moments come from the unguided gradient, so both optimisers hold the same.
    first, second = (optimiser.state_dict()["state"][0]["exp_avg"] for optimiser in optimisers)
    assert torch.equal(first, second)


def test_the_gradient_form_under_adam_leaves_nearly_all_of_the_movement():
    """The published form: a guide of .01 should leave 1 % of the movement, and leaves over 95 %."""
    free = train("Adam", None, 20)
    published = train("Adam", 0.01, 20, form="gradient")
    ours = train("Adam", 0.01, 20)
    assert published.norm() / free.norm() > 0.95
    assert ours.norm() / free.norm() == pytest.approx(0.01, rel=0.01)


def test_the_gradient_form_under_plain_sgd_is_the_update_form():
    torch.testing.assert_close(train("SGD", 0.3, 5, form="gradient"), train("SGD", 0.3, 5), atol=1e-6, rtol=0)


def test_a_parameter_without_a_guide_moves_freely_beside_one_that_has():
    guided, free, alone = parameter(), parameter(), parameter()
    step = GuidedStep(OPTIMISERS["AdamW"]([guided, free]), {guided: torch.zeros(1000)})
    reference = GuidedStep(OPTIMISERS["AdamW"]([alone]), {})
    for i in range(3):
        for weight in (guided, free, alone):
            weight.grad = gradient(i)
        step()
        reference()
    assert torch.equal(free, alone)
    assert torch.equal(guided, parameter())


def test_a_parameter_without_a_gradient_stays():
    used, unused = parameter(), parameter()
    guides = {weight: torch.full((1000,), 0.3) for weight in (used, unused)}
    step = GuidedStep(OPTIMISERS["AdamW"]([used, unused]), guides)
    used.grad = gradient(0)
    step()
    assert torch.equal(unused, parameter())
    assert not torch.equal(used, parameter())


def test_a_guide_of_0_holds_even_where_the_update_is_not_a_number():
    found = blend(torch.ones(2), torch.tensor([float("nan"), float("inf")]), torch.zeros(2))
    assert found.tolist() == [1, 1]


def test_a_guide_of_another_shape_or_for_another_optimiser_is_refused():
    weight, other = parameter(), parameter()
    optimizer = OPTIMISERS["AdamW"]([weight])
    with pytest.raises(ValueError, match="a guide of"):
        GuidedStep(optimizer, {weight: torch.ones(3)})
    with pytest.raises(ValueError, match="does not hold"):
        GuidedStep(optimizer, {other: torch.ones(1000)})
