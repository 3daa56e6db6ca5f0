"""How many requests a minute: a bucket of tokens for each key, and for each address that guesses keys."""

import ipaddress
import math
import time
from collections.abc import Callable

from service.problems import ProblemError
from service.settings import Settings

_MINUTE = 60.0
_MOST_BUCKETS = 10_000
_READING = frozenset({"GET", "HEAD"})


def take(full_at: float, now: float, per_minute: int) -> tuple[float, float]:
    """One token of a bucket that holds `per_minute` and fills in a minute.

    A bucket is the moment at which it is full again, in seconds. Returns that moment, and how many seconds to
    wait for a token: 0 where one was taken.
    """
    after = max(full_at, now) + _MINUTE / per_minute
    wait = after - now - _MINUTE
    # Sums of sixtieths are not exact, and a millionth of a second is nobody's fault.
    return (after, 0.0) if wait <= 1e-6 else (full_at, wait)


class Buckets:
    """One limit for many names, each with a bucket of its own; in memory, for one process."""

    def __init__(
        self, per_minute: int, most: int = _MOST_BUCKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_minute = per_minute
        self._most, self._clock = most, clock
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, name: str) -> float:
        """Take a token; seconds until there is one where there is none, else 0."""
        now = self._clock()
        full_at, wait = take(self._full_at.get(name, now), now, self.per_minute)
        if name not in self._full_at and len(self._full_at) >= self._most:
            self._forget(now)
        self._full_at[name] = full_at
        return wait

    def _forget(self, now: float) -> None:
        """Full buckets are as good as none; where all are in use, the oldest half goes."""
        used = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        while len(used) >= self._most:
            for name in list(used)[: len(used) // 2 + 1]:
                del used[name]
        self._full_at = used


class Rates:
    """The limits of one gateway."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._reads = Buckets(settings.max_reads_per_minute, clock=clock)
        self._writes = Buckets(settings.max_writes_per_minute, clock=clock)
        self._bad_keys = Buckets(settings.max_bad_keys_per_minute, clock=clock)

    def request(self, key_id: str, method: str) -> None:
        """A request with a good key; raises ProblemError 429."""
        buckets = self._reads if method in _READING else self._writes
        if wait := buckets.wait(key_id):
            what = "reads" if buckets is self._reads else "writes"
            raise _too_many(
                "API key", f"asks for more than {buckets.per_minute} {what} a minute", buckets, wait
            )

    def bad_key(self, host: str) -> None:
        """A request without a good one, from this address; raises ProblemError 429."""
        if wait := self._bad_keys.wait(_network(host)):
            what = f"sent more than {self._bad_keys.per_minute} requests a minute without a good API key"
            raise _too_many("your address", what, self._bad_keys, wait)


def _network(host: str) -> str:
    """IPv6 addresses count by their /64: whoever has one has all of it."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


def _too_many(where: str, what: str, buckets: Buckets, wait: float) -> ProblemError:
    seconds = str(math.ceil(wait))
    headers = {
        "Retry-After": seconds,
        "RateLimit-Limit": str(buckets.per_minute),
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": seconds,
    }
    return ProblemError(429, "too-many-requests", where, what, f"wait {seconds} s", headers=headers)
