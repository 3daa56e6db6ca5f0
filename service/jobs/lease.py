"""One of several gateway processes looks after the jobs: whoever holds the lease."""

import os
import socket
import uuid
from pathlib import Path

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.store.database import Database
from service.store.tables import leases

_NAME = "supervisor"
_HOST = socket.gethostname()[:24]


class Lease:
    """A row that names its holder and says until when; renewed long before it runs out."""

    def __init__(self, database: Database, seconds: float = 10) -> None:
        self._database, self._seconds = database, seconds
        self.holder = f"{_HOST}:{os.getpid()}:{_begun(os.getpid())}:{uuid.uuid4().hex[:8]}"
        self._until = 0.0

    def hold(self, now: float) -> bool:
        """Take or keep it; False while another process holds it."""
        if now < self._until - self._seconds * 2 / 3:
            return True
        self._until = now + self._seconds if self._renew(now) else 0.0
        return self._until > 0

    def release(self) -> None:
        """Let another process take it at once."""
        with self._database.write() as connection:
            mine = (leases.c.name == _NAME, leases.c.holder == self.holder)
            connection.execute(delete(leases).where(*mine))
        self._until = 0.0

    def _renew(self, now: float) -> bool:
        with self._database.read() as connection:
            holder = connection.execute(select(leases.c.holder).where(leases.c.name == _NAME)).scalar()
        row = {"holder": self.holder, "until": now + self._seconds}
        try:
            with self._database.write() as connection:
                if holder is None:
                    connection.execute(insert(leases).values(name=_NAME, **row))
                    return True
                free: list[ColumnElement[bool]] = [leases.c.holder == self.holder, leases.c.until < now]
                if _is_dead(holder):
                    free.append(leases.c.holder == holder)
                mine = update(leases).where(leases.c.name == _NAME, or_(*free)).values(**row)
                return connection.execute(mine).rowcount == 1
        except IntegrityError:
            return False


def _begun(pid: int) -> str | None:
    """When a process of this host began, in clock ticks; None: there is none, or no /proc to ask."""
    try:
        # The name in brackets, which may hold anything, is the second field; this is the 22nd.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _is_dead(holder: str) -> bool:
    """Whether it was a process of this host that is gone, so that nobody need wait for its lease."""
    host, pid, begun, _ = holder.split(":")
    return host == _HOST and _begun(os.getpid()) is not None and _begun(int(pid)) != begun
