"""Sums over data-parallel workers; without a process group there is one."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def sum_over_ranks(values: Tensor) -> Tensor:
    """`values` summed over all workers, in place."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(values)
    return values


def sum_gradients(parameters: Iterable[nn.Parameter], score_3: Tensor) -> Tensor:
    """Sum gradients over workers, in place, and return the summed score.

    One flat message a step rather than DistributedDataParallel: its mean over workers would weigh
    a worker with few masked positions like one with many.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return score_3
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = sum_over_ranks(torch.cat([g.flatten() for g in gradients]))
    for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))
    return sum_over_ranks(score_3)
