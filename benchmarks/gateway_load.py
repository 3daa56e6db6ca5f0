"""How fast one worker of the gateway answers: status GETs and durable POSTs, beside a bare FastAPI app.

    .venv/bin/python benchmarks/gateway_load.py [--seconds 10] [--connections 16] [--jobs 10000]

The gateway is the real command, with keys, metrics and ETags, on SQLite (every POST is on disk before it
is answered) or on --database-url; its cluster is unreachable, so that nothing but requests takes time.
Prints a table, and one JSON object as its last line.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import update

from service.settings import Settings
from service.store.database import Database
from service.store.tables import counters, datasets, events, jobs

OWNER, DATASET = "bench", "0a" * 32
STATUS = {
    "id": "job-" + "0a" * 12,
    "status": "RUNNING",
    "progress": {"label": "finetune", "done": 3, "total": 9},
}


def bare() -> FastAPI:
    """What FastAPI and uvicorn cost by themselves."""
    app = FastAPI()

    @app.get("/")
    def read() -> dict[str, Any]:
        return STATUS

    return app


async def load(
    address: tuple[str, int], request: Callable[[int], bytes], connections: int, seconds: float
) -> tuple[float, float, int]:
    """Requests a second, 99th percentile in ms, and answers other than 2xx, over kept connections."""
    ends = time.perf_counter() + seconds
    taken: list[float] = []
    failed = 0
    number = iter(range(1 << 60))

    async def client() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(*address)
        while time.perf_counter() < ends:
            begun = time.perf_counter()
            writer.write(request(next(number)))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            taken.append(time.perf_counter() - begun)
            failed += head[9:10] != b"2"
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    elapsed = time.perf_counter() - begun
    taken.sort()
    return len(taken) / elapsed, 1e3 * taken[int(0.99 * len(taken))], failed


def fill(database: Database, n_jobs: int) -> list[str]:
    """A dataset, and finished jobs with a few events each; returns the jobs' ids."""
    ids = [f"job-{number:024x}" for number in range(n_jobs)]
    column = {"name": "label", "values": {"FLT": 6, "GC": 6}, "n_values": 2}
    report = {
        "n_samples": 12,
        "n_genes": 20000,
        "samples": [],
        "orientation": "rows",
        "id_type": "ensembl",
        "n_matched": 20000,
        "share_matched": 1.0,
        "models": {},
        "integer": True,
        "n_duplicates": 0,
        "duplicates": [],
        "total_min": 1e7,
        "total_max": 2e7,
        "columns": [column],
        "label_column": "label",
        "subject_column": None,
        "not_in_sheet": [],
        "notes": [],
    }
    common = {"owner": OWNER, "kind": "explore", "params": {"datasets": [DATASET]}, "status": "SUCCEEDED"}
    now = time.time()
    with database.write() as connection:
        connection.execute(
            datasets.insert().values(
                owner=OWNER,
                id=DATASET,
                number=1,
                name="bench",
                bytes=1,
                state="READY",
                report=report,
                created=now,
            )
        )
        rows = [
            {
                **common,
                "id": job,
                "number": number,
                "created": now,
                "started": now,
                "ended": now,
                "n_events": 2,
            }
            for number, job in enumerate(ids, start=1)
        ]
        connection.execute(jobs.insert(), rows)
        for name, value in (("jobs", n_jobs), ("datasets", 1)):
            connection.execute(update(counters).where(counters.c.name == name).values(value=value))
        ended = {"status": "SUCCEEDED", "cause": None, "error": None}
        told = ((1, "queued", {}), (2, "ended", ended))
        connection.execute(
            events.insert(),
            [
                {"job": job, "seq": seq, "at": now, "kind": kind, "data": data}
                for job in ids
                for seq, kind, data in told
            ],
        )
    return ids


@contextmanager
def server(words: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(words, env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    def run(address: tuple[str, int], request: Callable[[int], bytes]) -> tuple[float, float, int]:
        asyncio.run(load(address, request, options.connections, 1.0))  # warm
        return asyncio.run(load(address, request, options.connections, options.seconds))

    python = [sys.executable, "-m"]
    port = 18440
    words = ["uvicorn", "gateway_load:bare", "--factory", "--app-dir", str(Path(__file__).parent)]
    with server([*python, *words, "--port", str(port), "--no-access-log"], {}) as process:
        wait_for(port, process)
        bare_rps, bare_p99_ms, _ = run(("127.0.0.1", port), lambda _: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    endless = ("QUEUED", "READS_PER_MINUTE", "WRITES_PER_MINUTE")
    environment = {f"RNALEARNER_MAX_{name}": "100000000" for name in endless}
    environment |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    if options.database_url:
        environment["RNALEARNER_DATABASE_URL"] = options.database_url
    settings = Settings(data=folder / "gateway", database_url=options.database_url)
    settings.data.mkdir(mode=0o700)
    database = Database(settings.url)
    database.migrate()
    ids = fill(database, options.jobs)
    database.close()
    where = ["--data", str(settings.data)]
    made = subprocess.run(
        [*python, "jobs.cli", "key", "create", OWNER, *where, "--json"],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    head = f"Host: x\r\nAuthorization: Bearer {json.loads(made.stdout)['key']}\r\n"
    body = json.dumps({"kind": "explore", "params": {"datasets": [DATASET]}}).encode()

    def status(number: int) -> bytes:
        return f"GET /v1/jobs/{ids[number * 7919 % len(ids)]} HTTP/1.1\r\n{head}\r\n".encode()

    def post(number: int) -> bytes:
        told = f"Idempotency-Key: {number}-{time.time_ns()}\r\nContent-Type: application/json\r\n"
        return f"POST /v1/jobs HTTP/1.1\r\n{head}{told}Content-Length: {len(body)}\r\n\r\n".encode() + body

    words = ["jobs.cli", "serve", *where, "--port", "0", "--ray-address", "http://127.0.0.1:9", "--json"]
    with server([*python, *words], environment) as process:
        line = process.stdout.readline()  # type: ignore[union-attr]
        address = ("127.0.0.1", int(json.loads(line)["url"].rpartition(":")[2]))
        get_rps, get_p99_ms, get_failed = run(address, status)
        post_rps, post_p99_ms, post_failed = run(address, post)
    return {
        "get_rps": round(get_rps),
        "get_p99_ms": round(get_p99_ms, 1),
        "post_rps": round(post_rps),
        "post_p99_ms": round(post_p99_ms, 1),
        "bare_rps": round(bare_rps),
        "bare_p99_ms": round(bare_p99_ms, 1),
        "failed": get_failed + post_failed,
        "jobs": options.jobs,
        "connections": options.connections,
        "database": settings.url.partition(":")[0],
    }


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    import socket

    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the bare app did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    for name in ("bare", "get", "post"):
        print(f"{name:<5} {figures[name + '_rps']:>7,} requests/s   p99 {figures[name + '_p99_ms']:>6.1f} ms")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
