"""Asking a server until it answers: retries, pace, and files that go on where they broke off."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import httpx

from rnalearner.errors import FetchError
from rnalearner.fetch.pace import Pace
from rnalearner.fetch.partial import Partial
from rnalearner.fetch.retry import asked_wait_s, meaning, wait_s
from rnalearner.fetch.whole import DamagedError, WholeCheck

T = TypeVar("T")
CONNECT_S = 15.0
_BY_CHANCE = SystemRandom().random
SLOWEST_BYTES_PER_S = 1024
"""Who sends less than this over a whole read timeout has stalled, though each byte came in time."""


@dataclass(frozen=True)
class Limits:
    """How hard a server may be asked."""

    at_once: int = 8
    requests_per_s: float | None = None
    bytes_per_s: float | None = None
    read_timeout_s: float = 30.0
    tries: int = 6
    """Tries in a row that bring nothing new, before a file is given up."""


class AbsentError(Exception):
    """The server says that it does not have this."""


class StoppedError(Exception):
    """Another thread failed, or the user pressed Ctrl-C."""


class _AgainError(Exception):
    """This try failed; another may not. `asked_s`: how long the server wants to be left alone."""

    def __init__(self, what: str, asked_s: float | None = None) -> None:
        super().__init__(what)
        self.asked_s = asked_s


class Connection:
    """To one archive, shared by threads."""

    def __init__(self, limits: Limits, address: str, jitter: Callable[[], float] = _BY_CHANCE) -> None:
        """`jitter` draws from [0, 1): processes that failed together must not draw the same."""
        self.limits, self._jitter = limits, jitter
        self.stop = threading.Event()
        self.n_bytes = 0  # received, by all threads
        self._lock = threading.Lock()
        self.pace = Pace(limits.requests_per_s, limits.bytes_per_s, self.wait)
        # A proxy of the user's environment cannot see this machine's own servers.
        local = urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")
        self._client = httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(limits.read_timeout_s, connect=CONNECT_S, pool=None),
            limits=httpx.Limits(max_connections=limits.at_once, max_keepalive_connections=limits.at_once),
            # Sums, sizes and ranges are of the stored bytes: nobody may pack them once more.
            headers={"Accept-Encoding": "identity", "User-Agent": "rnalearner"},
            trust_env=not local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self._client.close()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the download is stopped: then raise StoppedError."""
        if self.stop.wait(seconds):
            raise StoppedError

    def body(self, address: str) -> bytes:
        """A small answer. Raises AbsentError, FetchError."""
        return self._until_it_works(address, lambda: b"".join(self._chunks(address, {})), lambda: 0)

    def file(self, address: str, partial: Partial, is_gzip: bool, published: str | None) -> str:
        """Fill `partial`; returns the sha256 of the whole. Raises AbsentError, FetchError."""
        return self._until_it_works(
            address, lambda: self._fill(address, partial, is_gzip, published), lambda: partial.n_bytes
        )

    def _until_it_works(self, address: str, act: Callable[[], T], n_bytes: Callable[[], int]) -> T:
        failures, farthest = 0, n_bytes()
        while True:
            try:
                return act()
            except _AgainError as fault:
                # Who brings a large file a piece at a time is not failing.
                failures = 1 if n_bytes() > farthest else failures + 1
                farthest = max(farthest, n_bytes())
                if failures >= self.limits.tries:
                    what = f"{fault}, after {failures} tries"
                    remedy = "run the same command again later: it goes on from here"
                    raise FetchError(address, what, remedy) from None
                if fault.asked_s:
                    self.pace.pause(min(fault.asked_s, wait_s(1, fault.asked_s, 0)))
                self.wait(wait_s(failures, fault.asked_s, self._jitter()))

    def _fill(self, address: str, partial: Partial, is_gzip: bool, published: str | None) -> str:
        check = WholeCheck(is_gzip)
        # Only what can be checked as a whole in the end is gone on with.
        validator = partial.validator if is_gzip or published is not None else None
        if validator is None or partial.n_bytes == 0:
            partial.restart()
        try:
            for piece in partial.pieces():
                check.feed(piece)
            wanted = {"Range": f"bytes={partial.n_bytes}-", "If-Range": validator or ""}
            for chunk in self._chunks(address, wanted if partial.n_bytes else {}, partial):
                if partial.n_bytes < check.n_bytes:  # the server sends the whole instead
                    check = WholeCheck(is_gzip)
                partial.write(chunk)
                check.feed(chunk)
            if partial.n_bytes < check.n_bytes:
                raise DamagedError("it is empty now")
            return check.sha256(published)
        except DamagedError as damage:
            partial.restart()
            raise _AgainError(str(damage)) from None

    def _chunks(
        self, address: str, headers: dict[str, str], partial: Partial | None = None
    ) -> Iterator[bytes]:
        """One request's body; `partial` is set to where it begins. Raises AbsentError, FetchError."""
        self.pace.request()
        try:
            with self._client.stream("GET", address, headers=headers) as response:
                self._accept(response, partial)
                yield from self._timely(response)
        except httpx.TimeoutException:
            raise _AgainError(f"does not answer within {self.limits.read_timeout_s:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
            raise FetchError(address, f"is no address to ask ({error})", "correct it") from None
        except httpx.TransportError as error:
            raise _AgainError(f"the connection broke off ({str(error) or type(error).__name__})") from None

    def _accept(self, response: httpx.Response, partial: Partial | None) -> None:
        status = response.status_code
        match meaning(status):
            case "absent":
                raise AbsentError(f"answers {status}")
            case "refused":
                raise FetchError(response.url, f"answers {status}", "check the address")
            case "restart":
                if partial is not None:
                    partial.restart()
                raise _AgainError(f"answers {status}")
            case "again":
                asked = response.headers.get("retry-after")
                raise _AgainError(f"answers {status}", asked_wait_s(asked, datetime.now(UTC)))
            case "body" if partial is not None:
                if status == 206:
                    begins = response.headers.get("content-range", "").removeprefix("bytes ").split("-")[0]
                    if begins != str(partial.n_bytes):
                        partial.restart()
                        raise _AgainError(
                            f"sends bytes from {begins or 'nowhere'} on, which nobody asked for"
                        )
                else:
                    partial.restart(_validator(response))

    def _timely(self, response: httpx.Response) -> Iterator[bytes]:
        waited_s, n_bytes = 0.0, 0
        chunks = response.iter_raw()
        while True:
            asked = time.monotonic()
            chunk = next(chunks, None)
            if chunk is None:
                return
            if self.stop.is_set():
                raise StoppedError
            waited_s, n_bytes = waited_s + time.monotonic() - asked, n_bytes + len(chunk)
            with self._lock:
                self.n_bytes += len(chunk)
            yield chunk
            self.pace.received(len(chunk))
            if waited_s > self.limits.read_timeout_s:
                if n_bytes < SLOWEST_BYTES_PER_S * waited_s:
                    raise _AgainError(f"sends {n_bytes / waited_s:.0f} bytes a second")
                waited_s, n_bytes = 0.0, 0


def _validator(response: httpx.Response) -> str | None:
    """What If-Range takes: a strong ETag, or else a date."""
    tag = response.headers.get("etag", "")
    return tag if tag.startswith('"') else response.headers.get("last-modified")
