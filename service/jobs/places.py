"""Which place a waiting job has: how many wait before it."""

from bisect import bisect_left
from time import monotonic

from sqlalchemy import Connection, select

from service.store.tables import jobs

WAITING = (jobs.c.status == "PENDING", jobs.c.submitted.is_(None))
"""Jobs that the supervisor has not claimed for the cluster."""
_ORDERED = select(jobs.c.number).where(*WAITING).order_by(jobs.c.number)
_FRESH_S = 0.2
"""Every status asks for a place; counting thousands of rows for each would cost more than the rest."""


class Places:
    """The waiting jobs' numbers, as they were a moment ago."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._fresh_until = 0.0

    def before(self, connection: Connection, number: int) -> int:
        """Jobs, of whomever, that wait before the one with this number."""
        if monotonic() >= self._fresh_until:
            self._numbers = list(connection.execute(_ORDERED).scalars())
            self._fresh_until = monotonic() + _FRESH_S
        return bisect_left(self._numbers, number)
