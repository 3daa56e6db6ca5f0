"""How the pieces of one job are worked through: one after the other, or several at once.

Whoever is given an `Each` folds its results in the order of the items, so that sums are the same to the
bit with any number of workers.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Each(Protocol):
    """`work` on every item; results in the order of the items, few of them waiting at any time.

    `work` is a function of a module (or a partial of one), because it may be sent to another process.
    """

    def __call__(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]: ...


def one_by_one(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """In this thread, each item when its result is asked for."""
    return map(work, items)


@dataclass(frozen=True)
class _Threads:
    n_threads: int

    def __call__(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        # One result beyond those being made: a thread need not wait for whoever folds them.
        flying: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(self.n_threads) as pool:
            try:
                for item in items:
                    if len(flying) > self.n_threads:
                        yield flying.popleft().result()
                    flying.append(pool.submit(work, item))
                while flying:
                    yield flying.popleft().result()
            finally:  # the caller stopped, or an item failed: what has not begun never does
                for future in flying:
                    future.cancel()


def threads(n_threads: int) -> Each:
    """An Each of so many threads: for work that spends its time outside of Python's lock."""
    if n_threads < 1:
        raise ValueError(f"n_threads is {n_threads}; it must be 1 or more")
    return _Threads(n_threads) if n_threads > 1 else one_by_one


def in_this_process(each: Each) -> bool:
    """Whether work may hold what cannot be sent elsewhere, such as a progress bar."""
    return each is one_by_one or isinstance(each, _Threads)
