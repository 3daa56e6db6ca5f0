"""Sums over data-parallel workers; without a process group there is one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET_BYTES = 4 * 2**20
"""Gradients sent at a time: the paper's model makes six of them, and the first leaves early enough for most
of the way to be gone before the last is made; smaller ones would pay for each message anew."""


def several() -> bool:
    """Whether there are other workers to sum with."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def sum_over_ranks(values: Tensor) -> Tensor:
    """`values` summed over all workers, in place."""
    if several():
        dist.all_reduce(values)
    return values


@contextmanager
def gradients_summed(parameters: Sequence[nn.Parameter], score_3: Tensor) -> Iterator[None]:
    """A backward pass in this block leaves gradients, and `score_3`, summed over workers, in place.

    Around the last backward pass of a step: what earlier ones added up goes with it, and what is complete
    travels while the rest is still made. Sums rather than DistributedDataParallel, whose mean over workers
    would weigh a worker with few masked positions like one with many. What goes together, and in which
    order, is the same on every worker and in every run. Parameters without a gradient must be so on all
    workers.
    """
    if not several():
        yield
        return
    score = dist.all_reduce(score_3, async_op=True)
    buckets = _buckets(parameters)
    sender = _Sender(buckets)
    hooks = [
        parameter.register_post_accumulate_grad_hook(sender.made(number))
        for number, bucket in enumerate(buckets)
        for parameter in bucket
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    sender.finish()
    score.wait()


class _Sender:
    """Sends buckets in their order, each as soon as its own gradients and those before it are made."""

    def __init__(self, buckets: list[list[nn.Parameter]]) -> None:
        self._buckets, self._missing = buckets, [len(bucket) for bucket in buckets]
        self._next = 0
        self._sent: list[tuple[list[Tensor], Tensor, dist.Work]] = []

    def made(self, number: int) -> Callable[[Tensor], None]:
        """What a parameter of bucket `number` calls when its gradient is complete."""

        def hook(_: Tensor) -> None:
            self._missing[number] -= 1
            while self._next < len(self._buckets) and not self._missing[self._next]:
                self._send()

        return hook

    def _send(self) -> None:
        gradients = [p.grad for p in self._buckets[self._next] if p.grad is not None]
        self._next += 1
        if gradients:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            self._sent.append((gradients, flat, dist.all_reduce(flat, async_op=True)))

    def finish(self) -> None:
        """Send what is left, wait for all, and put the sums in their places."""
        while self._next < len(self._buckets):
            self._send()
        for gradients, flat, work in self._sent:
            work.wait()
            parts = flat.split([gradient.numel() for gradient in gradients])
            sums = [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]
            torch._foreach_copy_(gradients, sums)


def _buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """From the last parameter to the first, as a backward pass makes their gradients."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in reversed(parameters):
        size = parameter.numel() * parameter.element_size()
        if not buckets or size > room:
            buckets.append([])
            room = BUCKET_BYTES
        buckets[-1].append(parameter)
        room -= size
    return buckets
