"""Pieces of one job as Ray tasks, inside an open session."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import ray

from cluster.in_flight import result_of
from cluster.resources import each_resources
from rnalearner.each import Each

Item = TypeVar("Item")
Result = TypeVar("Result")

_AGAIN = "run the same command again: it goes on from the last step that was complete"


def ray_tasks() -> Each:
    """An Each of Ray tasks of one CPU, one more of them in flight than the session has CPUs.

    The work goes to the object store once a call, not once an item. Raises an item's own error where it
    is the user's to mend, ClusterError where Ray lost it. What is in flight when the caller stops is
    cancelled.
    """

    def each(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        options, at_once = each_resources()
        shared, remote = ray.put(work), ray.remote(max_retries=2, **options)(_on_item)
        flying: deque[tuple[ray.ObjectRef, Item]] = deque()
        try:
            for item in items:
                if len(flying) > at_once:
                    ref, asked = flying.popleft()
                    yield result_of(ref, asked, _AGAIN)
                flying.append((remote.remote(shared, item), item))
            while flying:
                ref, asked = flying.popleft()
                yield result_of(ref, asked, _AGAIN)
        finally:
            if ray.is_initialized():
                for ref, _ in flying:
                    ray.cancel(ref)

    return each


def _on_item(work: Callable[[Item], Result], item: Item) -> Result:
    return work(item)
