"""Many small Ray tasks: bounded in flight, results as they come, the user's own errors as they are."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import ray

from rnalearner.errors import ClusterError, RnalearnerError

Job = TypeVar("Job")


def completed(
    jobs: Iterable[Job],
    submit: Callable[[Job], "ray.ObjectRef"],
    at_once: int,
    again: str,
    deadline: float | None = None,
) -> Iterator[tuple[Job, Any]]:
    """Jobs with their results, in the order in which they end; at most `at_once` are in flight.

    After `deadline` (of time.monotonic) none starts; those in flight come to their end. Raises a job's
    own error where it is the user's to mend, and ClusterError with the remedy `again` where Ray lost it.
    What is in flight when the caller stops is cancelled.
    """
    waiting, flying = deque(jobs), dict[ray.ObjectRef, Job]()
    try:
        while waiting or flying:
            late = deadline is not None and time.monotonic() > deadline
            while waiting and not late and len(flying) < at_once:
                job = waiting.popleft()
                flying[submit(job)] = job
            if not flying:
                return
            for ref in ray.wait(list(flying), num_returns=1)[0]:
                job = flying.pop(ref)
                yield job, result_of(ref, job, again)
    finally:
        if ray.is_initialized():  # a generator may be closed after the session, which ended them all
            for ref in flying:
                ray.cancel(ref)


def result_of(ref: "ray.ObjectRef", job: object, again: str) -> Any:
    """A task's result; its own error where that is the user's, ClusterError where Ray lost it."""
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RnalearnerError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ClusterError(job, f"was lost ({error})", again) from error
