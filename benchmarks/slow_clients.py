"""What an honest client notices while others are slow or greedy on purpose: its waits beside its waits alone.

    .venv/bin/python benchmarks/slow_clients.py [--seconds 25] [--connections 200]

The gateway is the real command in a process of its own, on SQLite; its cluster is unreachable. The honest
client asks for its list of jobs, 50 times a second at most: first undisturbed, then beside the attack, for
--seconds each, so that both see the same machine. Attacks of patience come over --connections; those of mere
bytes over a tenth as many, each again after a second, since it is not the network that is tested. All goes
over loopback. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from gateway_load import OWNER, fill, server

from service.settings import Settings
from service.store.database import Database

PACE_S = 0.02
N_JOBS = 200
Address = tuple[str, int]
LINE = (
    "{name:<29} p50 {p50_ms:>6.2f} ms (alone {normal_p50_ms:>6.2f})   p99 {p99_ms:>7.2f} ms"
    " (alone {normal_p99_ms:>7.2f})   x {ratio:<5}  {n_5xx} 5xx, {n_other} other of {n}   {closed} closed"
)


class Waits(NamedTuple):
    """Of an honest client."""

    p50_ms: float
    p99_ms: float
    n: int
    n_5xx: int
    n_other: int


class Greedy:
    """Many connections that each do what `act` does, again and again, until they are stopped."""

    def __init__(self, address: Address, key: str) -> None:
        self.address, self.key = address, key
        self.closed = 0
        """Connections that the gateway ended."""

    def head(self, line: str, *fields: str) -> bytes:
        return "\r\n".join([line, "Host: x", f"Authorization: Bearer {self.key}", *fields, "", ""]).encode()

    async def trickle(self, head: bytes, crumb: bytes) -> None:
        """A crumb a second, for ever."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(head)
            while not reader.at_eof():
                writer.write(crumb)
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(4096), 1.0)
        finally:
            writer.close()

    async def send(self, wire: bytes) -> None:
        """All at once, and read what comes."""
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            writer.write(wire)
            await writer.drain()
            await reader.read()
        finally:
            writer.close()

    async def ignore(self, head: bytes) -> None:
        """Ask once, and read nothing of a long answer."""
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(line, self.address)
            await loop.sock_sendall(line, head)
            while True:
                await asyncio.sleep(1.0)
                await loop.sock_sendall(line, b"\r\n")
        finally:
            line.close()


BYTES = ("heads of 1 MiB", "10,000 ranges", "1,000,000 form fields", "a bad Host")
"""Attacks of mere bytes."""


def attacks(greedy: Greedy) -> dict[str, Callable[[], Awaitable[None]]]:
    upload = "PUT /v1/datasets/" + "0" * 64 + " HTTP/1.1"
    form = b"&".join(b"a%d=1" % number for number in range(1_000_000))
    fields = "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"
    million = greedy.head("POST /v1/jobs HTTP/1.1", *fields) + form
    header = greedy.head("GET /v1/jobs HTTP/1.1", "X: " + "x" * 2**20)
    ranges = greedy.head("GET /v1/jobs HTTP/1.1", "Range: bytes=" + ",".join(["0-1"] * 10_000))
    body = greedy.head(upload, "Content-Length: 1000000000")
    page = greedy.head("GET /v1/jobs?limit=200 HTTP/1.1")
    return {
        "heads that trickle": lambda: greedy.trickle(b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"x"),
        "connections that say nothing": lambda: greedy.trickle(b"", b""),
        "uploads that trickle": lambda: greedy.trickle(body, b"x"),
        "readers who do not read": lambda: greedy.ignore(page),
        "heads of 1 MiB": lambda: greedy.send(header),
        "10,000 ranges": lambda: greedy.send(ranges),
        "1,000,000 form fields": lambda: greedy.send(million),
        "a bad Host": lambda: greedy.send(b"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    }


async def honest(address: Address, key: str, seconds: float) -> Waits:
    """One after the other over one connection, at its pace; a new one where it is closed."""
    request = f"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    ends, taken, n_5xx, n_other = time.perf_counter() + seconds, [], 0, 0
    reader, writer = await asyncio.open_connection(*address)
    while time.perf_counter() < ends:
        begun = time.perf_counter()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            n_5xx += head[9:10] == b"5"
            n_other += head[9:10] not in (b"2", b"5")
        except (OSError, asyncio.IncompleteReadError):
            n_other += 1
            reader, writer = await asyncio.open_connection(*address)
        taken.append(time.perf_counter() - begun)
        await asyncio.sleep(max(0.0, PACE_S - taken[-1]))
    writer.close()
    taken.sort()
    p50, p99 = (round(1e3 * taken[int(share * len(taken))], 2) for share in (0.5, 0.99))
    return Waits(p50, p99, len(taken), n_5xx, n_other)


async def attack(
    greedy: Greedy, act: Callable[[], Awaitable[None]], connections: int, pause_s: float
) -> None:
    """So many at a time; whoever is refused comes again after a while."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                await act()
            greedy.closed += 1
            await asyncio.sleep(pause_s)

    await asyncio.gather(*(one() for _ in range(connections)))


def attacker(words: list[str]) -> None:
    """The body of the attackers' own process: name, host, port, key, connections."""
    name, host, port, key, connections = words
    greedy = Greedy((host, int(port)), key)
    act = attacks(greedy)[name]

    async def run() -> None:
        work = asyncio.create_task(attack(greedy, act, int(connections), 1.0))
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        work.cancel()
        print(greedy.closed)

    asyncio.run(run())


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    settings = Settings(data=folder / "gateway")
    settings.data.mkdir(mode=0o700)
    database = Database(settings.url)
    database.migrate()
    fill(database, N_JOBS)
    database.close()
    python, where = [sys.executable, "-m", "jobs.cli"], ["--data", str(settings.data)]
    environment = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    make = [*python, "key", "create", OWNER, *where, "--json"]
    made = subprocess.run(make, env=os.environ | environment, check=True, capture_output=True, text=True)
    key = json.loads(made.stdout)["key"]
    words = [*python, "serve", *where, "--port", "0", "--ray-address", "http://127.0.0.1:9", "--json"]
    rows: dict[str, dict[str, Any]] = {}
    with server(words, environment) as process:
        line = process.stdout.readline()  # type: ignore[union-attr]
        address = ("127.0.0.1", int(json.loads(line)["url"].rpartition(":")[2]))
        asyncio.run(honest(address, key, 2.0))  # warm
        for name in attacks(Greedy(address, key)):
            before = asyncio.run(honest(address, key, options.seconds))
            n_lines = options.connections // 10 if name in BYTES else options.connections
            told = [name, address[0], str(address[1]), key, str(n_lines)]
            child = subprocess.Popen(
                [sys.executable, __file__, "--attacker", *told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            time.sleep(2.0)  # they begin
            waits = asyncio.run(honest(address, key, options.seconds))
            closed = int(child.communicate("\n", timeout=60)[0] or 0)
            rows[name] = {
                **waits._asdict(),
                "normal_p50_ms": before.p50_ms,
                "normal_p99_ms": before.p99_ms,
                "ratio": round(waits.p99_ms / before.p99_ms, 2),
                "closed": closed,
            }
            print(LINE.format(name=name, **rows[name]), flush=True)
            time.sleep(1.0)
    worst = max(rows.values(), key=lambda row: row["ratio"])
    return {
        "attacks": rows,
        "honest_p99_ms": worst["p99_ms"],
        "normal_p99_ms": worst["normal_p99_ms"],
        "worst_ratio": worst["ratio"],
        "honest_5xx": sum(row["n_5xx"] for row in rows.values()),
        "connections_closed": sum(row["closed"] for row in rows.values()),
        "connections": options.connections,
    }


def main() -> None:
    if sys.argv[1:2] == ["--attacker"]:
        attacker(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--connections", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
