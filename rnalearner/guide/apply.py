"""The guided update, for any optimiser of torch."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn


class GuidedStep:
    """Call it instead of `optimizer.step()`: w <- w_prev + g * (w_new - w_prev).

    Moments come from the unguided gradient, and weight decay is guided with the rest: a parameter
    with g = 0 does not move by one bit, with g = 1 it moves exactly as it would without a guide.
    Parameters without a guide move freely. Clip gradients before.

    form "gradient" multiplies the gradient instead, as published. It is there to reproduce: Adam
    divides by the gradient's own running scale, which cancels any constant factor.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        guides: Mapping[nn.Parameter, Tensor],
        form: Literal["update", "gradient"] = "update",
    ) -> None:
        """`guides`: factors in [0, 1], of each parameter's own shape and device."""
        optimised = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for parameter, guide in guides.items():
            if guide.shape != parameter.shape:
                raise ValueError(f"a guide of {tuple(guide.shape)} for a parameter {tuple(parameter.shape)}")
            if id(parameter) not in optimised:
                raise ValueError("a guide for a parameter that the optimiser does not hold")
        self.optimizer, self.guides, self.form = optimizer, guides, form

    @torch.no_grad()
    def __call__(self) -> None:
        """One step from the gradients as they are."""
        if self.form == "gradient":
            for parameter, guide in self.guides.items():
                if parameter.grad is not None:
                    parameter.grad.mul_(guide)
            self.optimizer.step()
            return
        before = {parameter: parameter.clone() for parameter in self.guides}
        self.optimizer.step()
        for parameter, guide in self.guides.items():
            parameter.copy_(blend(before[parameter], parameter, guide))


def blend(previous: Tensor, new: Tensor, guide: Tensor) -> Tensor:
    """previous + guide * (new - previous); the bits of `previous` at 0 and of `new` at 1.

    Rounding would move the second case; a step that is not finite would move the first.
    """
    between = torch.where(guide == 1, new, previous + guide * (new - previous))
    return torch.where(guide == 0, previous, between)


def tempered(guide: Tensor, temperature: float) -> Tensor:
    """guide ** (1 / temperature): above 1 more may move, below 1 less; 0, 1 and the order stay."""
    return guide if temperature == 1 else guide ** (1 / temperature)
