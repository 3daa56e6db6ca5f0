"""What is killed under soak, one process after another."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from benchmarks.soak_gateway import SoakedGateway

KINDS = (*("driver",) * 6, *("worker",) * 4, *("reader",) * 5, *("stream",) * 4, "head")
"""One of 20 kills is of Ray's head, and with it of all that runs on it."""
N_STREAMS = 4
LOOK_S = 0.1
_HANG = """
import os, socket, sys, time
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
key = f"Authorization: Bearer {os.environ['SOAK_KEY']}"
line.sendall("\\r\\n".join([f"GET {sys.argv[3]} HTTP/1.1", "Host: x", key, "", ""]).encode())
time.sleep(1e6)
"""


class Streams:
    """Clients that ask for a job's events and then read none of them, each a process of its own."""

    def __init__(self, gateway: SoakedGateway) -> None:
        self._gateway, self._hanging = gateway, list[subprocess.Popen[bytes]]()

    def hang(self, job: str) -> None:
        """One more; the oldest goes where there are too many."""
        self._hanging = [one for one in self._hanging if one.poll() is None]
        while len(self._hanging) >= N_STREAMS:
            _end(self._hanging.pop(0))
        at = urlsplit(self._gateway.url)
        words = ["-I", "-S", "-c", _HANG, str(at.hostname), str(at.port), f"/v1/jobs/{job}/events"]
        environment = self._gateway.environment() | {"SOAK_KEY": self._gateway.key}
        self._hanging.append(subprocess.Popen([sys.executable, *words], env=environment))

    def pids(self) -> list[int]:
        return [one.pid for one in self._hanging if one.poll() is None]

    def close(self) -> None:
        while self._hanging:
            _end(self._hanging.pop())


class Fire:
    """Kills by a seeded generator: which kind, and which of that kind."""

    def __init__(self, gateway: SoakedGateway, streams: Streams, rng: random.Random) -> None:
        self._gateway, self._streams, self._rng = gateway, streams, rng
        self.by_kind = dict.fromkeys(sorted(set(KINDS)), 0)

    def kill(self, patience_s: float) -> tuple[str, int]:
        """SIGKILL one process; its kind and pid. Where there is none of the kind drawn, wait for one; then
        take one of another kind, though never the head out of its turn."""
        kind, until = self._rng.choice(KINDS), time.monotonic() + patience_s
        while not (pids := self._pids(kind)) and time.monotonic() < until:
            time.sleep(LOOK_S)
        others = [other for other in self.by_kind if other not in (kind, "head")]
        self._rng.shuffle(others)
        while not pids and others:
            pids = self._pids(kind := others.pop())
        if pids:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid := self._rng.choice(pids), signal.SIGKILL)
                self.by_kind[kind] += 1
                return kind, pid
        return "nobody", 0

    def _pids(self, kind: str) -> Sequence[int]:
        if kind == "stream":
            return self._streams.pids()
        return [one.pid for one in self._gateway.victims(kind)]


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
