"""The optimisers of fine-tuning, with one learning rate for both."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from rnalearner.config import FinetuneConfig


def make_optimizer(parts: Sequence[nn.Module], config: FinetuneConfig) -> torch.optim.Optimizer:
    """Of what trains in the parts: AdamW; or SGD with momentum, each part a group, and no decay.

    SGD's rate is in other units (see `Rates`), in which decay would run wild.
    """
    trained = [[p for p in part.parameters() if p.requires_grad] for part in parts]
    if config.optimizer == "adamw":
        together = [parameter for part in trained for parameter in part]
        return torch.optim.AdamW(together, config.learning_rate, weight_decay=config.weight_decay)
    groups = [{"params": part} for part in trained if part]
    return torch.optim.SGD(groups, config.learning_rate, momentum=0.9)


class Rates:
    """Sets the rate before each step, once gradients are there.

    AdamW's steps are of the rate's size whatever the gradients'. SGD is brought to that scale: its rate
    is divided by the root mean square of the group's first gradient, so that its first step moves a
    typical parameter by the rate.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self._units: list[float] | None = None

    def __call__(self, rate: float) -> None:
        groups = self.optimizer.param_groups
        if self._units is None:
            sgd = isinstance(self.optimizer, torch.optim.SGD)
            self._units = [_gradient_rms(group["params"]) if sgd else 1.0 for group in groups]
        for group, unit in zip(groups, self._units, strict=True):
            group["lr"] = rate / unit


def _gradient_rms(parameters: Iterable[nn.Parameter]) -> float:
    """Root mean square of all gradients together; never 0."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    squares = sum(float(gradient.double().square().sum()) for gradient in gradients)
    return max((squares / max(sum(gradient.numel() for gradient in gradients), 1)) ** 0.5, 1e-20)
