"""Who works through the pieces of a phase that needs no Ray by itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rnalearner.config import RaySettings
from rnalearner.each import Each, threads


@contextmanager
def workers(settings: RaySettings) -> Iterator[Each]:
    """Tasks of the Ray cluster that the recipe names, or else threads of this process.

    Threads, because numpy, Arrow and zlib work outside of Python's lock, and a private Ray would take
    more memory than the work itself.
    """
    if settings.address is None:
        yield threads(settings.num_cpus or len(os.sched_getaffinity(0)))
        return
    from cluster.each import ray_tasks
    from cluster.local import ray_session

    with ray_session(settings):
        yield ray_tasks()
