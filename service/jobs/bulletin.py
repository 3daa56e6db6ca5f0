"""Where a job's news is called out, so that whoever waits for it need not ask again and again."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Watch:
    """One stream that waits for one job's news."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def ring(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # a loop that has ended has nobody left to wake
            self._loop.call_soon_threadsafe(self._news.set)

    async def wait(self, timeout_s: float) -> bool:
        """Whether there was news since the last wait (or since the watch began); False: it took too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True


class Bulletin:
    """Job id -> the watches of this process. News of other processes is found by looking now and then."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = {}
        self._lock = threading.Lock()

    def notify(self, job_id: str) -> None:
        """Say, from any thread and after the commit, that a job has new events."""
        with self._lock:
            watches = list(self._watches.get(job_id, ()))
        for watch in watches:
            watch.ring()

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Begun before the first look at the database, it misses nothing."""
        watch = Watch()
        with self._lock:
            self._watches.setdefault(job_id, set()).add(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches[job_id].discard(watch)
                if not self._watches[job_id]:
                    del self._watches[job_id]
