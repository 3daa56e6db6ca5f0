"""Writes of many requests in one transaction: SQLite syncs to disk once for all of them."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

T = TypeVar("T")
_Work = Callable[[Connection], Any]
_MOST = 32


class GroupCommit:
    """Whoever comes while a transaction is under way waits for the next one, which takes all of them.

    Each work is undone alone where it fails; where the transaction fails, all of them have failed.
    """

    def __init__(self, write: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._write = write
        self._waiting: deque[tuple[_Work, asyncio.Future[Any]]] = deque()
        self._drain: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do the work; it is durable when this returns."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, outcome))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._run())
        return await outcome

    async def _run(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))]
            try:
                outcomes = await run_in_threadpool(self._commit, [work for work, _ in taken])
            except Exception as error:
                outcomes = [(None, error)] * len(taken)
            for (_, waiting), (value, fault) in zip(taken, outcomes, strict=True):
                if waiting.done():  # its client went away
                    continue
                if fault is None:
                    waiting.set_result(value)
                else:
                    waiting.set_exception(fault)

    def _commit(self, works: list[_Work]) -> list[tuple[Any, Exception | None]]:
        with self._write() as connection:
            if len(works) == 1:
                return [(works[0](connection), None)]
            return [_apart(work, connection) for work in works]


def _apart(work: _Work, connection: Connection) -> tuple[Any, Exception | None]:
    try:
        with connection.begin_nested():
            return work(connection), None
    except OperationalError:
        raise  # a full disk, for example: SQLite may have undone all of it
    except Exception as error:
        return None, error
