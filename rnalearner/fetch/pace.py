"""No more requests and bytes a second than asked for, however many threads there are."""

import threading
import time
from collections.abc import Callable


class Pace:
    """Shared by the threads of a download; each waits here for its turn."""

    def __init__(
        self,
        requests_per_s: float | None,
        bytes_per_s: float | None,
        wait: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """None: as many as there are. `wait` gets seconds."""
        self._request_s = 1 / requests_per_s if requests_per_s else 0.0
        self._byte_s = 1 / bytes_per_s if bytes_per_s else 0.0
        self._wait, self._clock, self._lock = wait, clock, threading.Lock()
        self._next_request = self._next_byte = 0.0

    def request(self) -> None:
        """Before every request."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_request)
            self._next_request = turn + self._request_s
        if turn > now:
            self._wait(turn - now)

    def received(self, n_bytes: int) -> None:
        """After `n_bytes`: what came too fast is waited for, so that the server is slowed down, too."""
        if not self._byte_s:
            return
        with self._lock:
            now = self._clock()
            self._next_byte = max(now, self._next_byte) + n_bytes * self._byte_s
            ahead_s = self._next_byte - now
        self._wait(ahead_s)

    def pause(self, seconds: float) -> None:
        """No thread asks anything for so long: the server said when it will answer again."""
        with self._lock:
            self._next_request = max(self._next_request, self._clock() + seconds)
