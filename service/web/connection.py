"""One connection: whoever sends or reads too slowly, or sends a head without end, is let go.

uvicorn waits as long as it takes, for a head of any size. Nothing here costs a request more than counting
its bytes: every few seconds a connection is looked at, and one that is found in the same bad state again
and again is closed.
"""

from asyncio import Transport
from collections.abc import Mapping
from http import HTTPStatus
from itertools import count
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.problems import ProblemError, problem_response

TICK_S = 5.0
"""Between two looks at a connection."""
MOST_LOOKS: Mapping[str, int] = {"head": 3, "body": 5, "answered": 3, "unread": 24, "idle": 4}
"""A connection is closed when it was found so at so many looks running.

head: waits for the rest of a request's head, or for a first one. body: sends less than MIN_BODY_RATE.
answered: still sends what nobody reads. unread: takes nothing of its answer (TCP moves in great steps on
slow lines). idle: neither asks nor is answered, but sends empty lines (else uvicorn closes it sooner).
"""
MIN_BODY_RATE = 1024
"""Bytes a second."""
MAX_HEAD = 1 << 16
"""Bytes of a head that is not complete; `access` has the limits of one that is."""
_MOST_OVERHEAD = 16
"""Bytes sent for a byte of body; more than the smallest chunks need."""
_NUMBERS = count()
"""Connections in their order: several may open within one tick of the loop's clock."""


class Connection(HttpToolsProtocol):
    """uvicorn's, with limits on time and on bytes; `limit_concurrency` of its config is the most of them."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # uvicorn's own use of it refuses requests on old connections as well as on new ones.
        self._most_connections, self.limit_concurrency = self.limit_concurrency, None
        self._head_open, self._body_open = True, False
        self._n_messages, self._n_bytes, self._n_body, self._n_earlier = 0, 0, 0, 0
        self._seen: tuple[str | None, int] = (None, 0)
        self._n_looks, self._bytes_seen, self._unsent_seen = 0, 0, (0, 0)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._number = next(_NUMBERS)
        self._ticker = self.loop.call_later(TICK_S, self._look)
        if self._most_connections is not None and len(self.connections) > self._most_connections:
            self._make_room(self._most_connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ticker.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        body_before, self._n_earlier = self._n_body, 0
        super().data_received(data)
        # The end of an earlier body may have come in the same piece; it is no part of this message.
        self._n_bytes += len(data) - max(0, self._n_earlier - body_before)
        if self.transport.is_closing():
            return
        if self._head_open and self._n_bytes > MAX_HEAD:
            what, remedy = f"is longer than {MAX_HEAD >> 10} KiB", "send shorter header fields"
            self._refuse(ProblemError(431, "head-too-large", "the request's head", what, remedy))
        elif self._body_open and self._n_bytes > 2 * MAX_HEAD + _MOST_OVERHEAD * self._n_body:
            what, remedy = "is chunks that hold next to nothing", "send larger ones"
            self._refuse(ProblemError(400, "malformed-request", "the request's body", what, remedy))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = True
        self._n_messages += 1
        self._n_earlier += self._n_body
        self._n_bytes = self._n_body = self._bytes_seen = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_open:  # uvicorn would take those that follow a chunked body for the request's own
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_open, self._body_open = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._n_body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_open = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser refuses."""
        what, remedy = "is not HTTP/1.1", "send what RFC 9112 says"
        self._refuse(ProblemError(400, "malformed-request", "the request", what, remedy))

    def _look(self) -> None:
        state = self._state()
        self._n_looks = self._n_looks + 1 if (state, self._n_messages) == self._seen else 1
        self._seen = (state, self._n_messages)
        self._bytes_seen, self._unsent_seen = self._n_bytes, self._unsent()
        if state is None or self._n_looks < MOST_LOOKS[state]:
            self._ticker = self.loop.call_later(TICK_S, self._look)
        elif state == "unread":
            self.transport.abort()
        else:
            what, remedy = "takes too long", "send it without pauses"
            self._refuse(ProblemError(408, "too-slow", "the request", what, remedy))

    def _state(self) -> str | None:
        """A key of MOST_LOOKS; None where all is well."""
        unsent = self._unsent()
        if unsent[0]:
            return "unread" if unsent == self._unsent_seen else None
        if self.transport.is_closing():
            return None
        if self._is_answering():
            is_slow = self._n_bytes - self._bytes_seen < MIN_BODY_RATE * TICK_S
            return "body" if self._body_open and is_slow and not self.flow.read_paused else None
        if self._head_open:
            return "head"
        return "answered" if self._body_open else "idle"

    def _unsent(self) -> tuple[int, int]:
        """Bytes that wait here for the client, and those of a file that are not here yet."""
        waiting = self.transport.get_write_buffer_size()
        return waiting, 0 if self.cycle is None else self.cycle.expected_content_length

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self, most: int) -> None:
        """Whoever has waited longest with a head goes; where nobody has, the newcomer."""
        others = [
            other for other in self.connections if isinstance(other, Connection) and other._is_waiting()
        ]
        slowest = min(others, key=lambda other: other._number)  # self is one of them
        what, remedy = f"has {most} connections, the most that it may have", "try again soon"
        retry = {"Retry-After": "5"}
        slowest._refuse(ProblemError(503, "too-many-connections", "the gateway", what, remedy, headers=retry))

    def _is_waiting(self) -> bool:
        return self._head_open and not self._is_answering() and not self.transport.is_closing()

    def _refuse(self, problem: ProblemError) -> None:
        """Say why, where nothing was said yet, and close."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        answer = problem_response("/", problem)
        answer.headers["Connection"] = "close"
        status = HTTPStatus(answer.status_code)
        fields = [name + b": " + value for name, value in answer.raw_headers]
        head = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *fields, b"", bytes(answer.body)]
        self.transport.write(b"\r\n".join(head))
        self.transport.close()
