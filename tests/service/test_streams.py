"""A thousand cut streams, a gateway that dies under them, two hundred that wait: each event exactly once."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Caller, Live

PRETRAIN = {"kind": "pretrain", "params": {"recipe": "demo"}}
N_JOBS, WATCHERS, CUTS = 25, 2, 20
"""Jobs, streams of each, and cuts of each stream: a thousand in all."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite in the quick tier: each of these takes seconds."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_running": N_JOBS})


class Teller:
    """Jobs that run and go on telling, until their last listener has heard enough."""

    def __init__(self, fake: FakeCluster, caller: Caller, n_jobs: int, pace_s: float) -> None:
        self.fake, self.pace_s = fake, pace_s
        self.jobs = [str(caller.post("/v1/jobs", json=PRETRAIN).json()["id"]) for _ in range(n_jobs)]
        for job in self.jobs:
            fake.begin(fake.wait_for(f"{job}-1").id)
        self._enough = {job: threading.Event() for job in self.jobs}

    def enough(self, job: str) -> None:
        self._enough[job].set()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Events are appended for as long as the block lasts, or until all have heard enough."""
        left = threading.Event()
        thread = threading.Thread(target=self._tell, args=(left,))
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()

    def _tell(self, left: threading.Event) -> None:
        rng, running, done = random.Random(0), list(self.jobs), 0
        while running and not left.wait(self.pace_s):
            done += 1
            for job in list(running):
                for _ in range(rng.randint(0, 3)):
                    note = "x" * rng.randint(0, 200)
                    data = {"label": "fit", "done": done, "total": 10_000, "note": note}
                    self.fake.say(f"{job}-1", "progress", data)
                if self._enough[job].is_set():
                    self.fake.finish(f"{job}-1")
                    running.remove(job)


class Listener:
    """One reader of one job's stream, who goes on after the last whole event."""

    def __init__(self, http: httpx.AsyncClient, job: str, rng: random.Random) -> None:
        self.http, self.path, self.rng = http, f"/v1/jobs/{job}/events", rng
        self.seen: list[dict[str, Any]] = []
        self.n_cut = 0

    @property
    def has_ended(self) -> bool:
        return bool(self.seen) and self.seen[-1]["kind"] == "ended"

    async def be_cut(self) -> None:
        """Connect, and be cut after some time, or after some bytes: before, inside or between events."""
        self.n_cut += 1
        soon = self.rng.uniform(0, 0.05) if self.rng.random() < 0.3 else None
        with suppress(TimeoutError):
            async with asyncio.timeout(soon):
                await self._read(self.rng.randint(1, 1500))

    async def to_the_end(self) -> None:
        await self._read(None)

    async def _read(self, most: int | None) -> None:
        """Read `most` bytes, or until the stream ends by itself."""
        last = {"Last-Event-ID": str(self.seen[-1]["seq"])} if self.seen else {}
        async with self.http.stream("GET", self.path, headers=last) as answer:
            assert answer.status_code == 200
            async for event in _events(answer, most):
                self.seen.append(event)


async def _events(answer: httpx.Response, most: int | None) -> AsyncIterator[dict[str, Any]]:
    """The events that are whole within the first `most` bytes."""
    held, n_bytes = b"", 0
    async for piece in answer.aiter_bytes():
        held += piece if most is None else piece[: most - n_bytes]
        n_bytes += len(piece)
        *whole, held = held.split(b"\n\n")
        for block in whole:
            fields = dict(
                line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":")
            )
            if fields:
                event = json.loads(fields["data"])
                assert (fields["id"], fields["event"]) == (str(event["seq"]), event["kind"])
                yield event
        if most is not None and n_bytes >= most:
            return


def check_whole(seen: list[dict[str, Any]], caller: Caller, job: str) -> None:
    """Each event once, in order, up to the one end; and no other than a list of them shows."""
    listed: list[dict[str, Any]] = []
    while not listed or listed[-1]["kind"] != "ended":
        query = f"format=json&limit=200&after={len(listed)}"
        listed += caller.get(f"/v1/jobs/{job}/events?{query}").json()["items"]
    assert [event["seq"] for event in seen] == list(range(1, len(listed) + 1))
    assert seen == listed
    assert [event["kind"] for event in seen].count("ended") == 1


def client(caller: Caller) -> httpx.AsyncClient:
    key = {"Authorization": f"Bearer {caller.key}"}
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=caller.http.base_url, headers=key, timeout=60, limits=limits)


def test_a_thousand_cut_streams_tell_each_event_once(live_gateway: Live) -> None:
    caller = live_gateway.start()
    teller = Teller(live_gateway.fake, caller, N_JOBS, 0.02)

    async def listen(http: httpx.AsyncClient, job: str, seed: int) -> Listener:
        listener = Listener(http, job, random.Random(seed))
        while listener.n_cut < CUTS:
            await listener.be_cut()
        assert not listener.has_ended
        return listener

    async def all_of(job: str, number: int, http: httpx.AsyncClient) -> list[Listener]:
        several = (listen(http, job, WATCHERS * number + watcher) for watcher in range(WATCHERS))
        listeners = await asyncio.gather(*several)
        teller.enough(job)
        await asyncio.gather(*(listener.to_the_end() for listener in listeners))
        return listeners

    async def everybody() -> list[list[Listener]]:
        async with client(caller) as http:
            return await asyncio.gather(*(all_of(job, n, http) for n, job in enumerate(teller.jobs)))

    with teller.telling():
        listeners = asyncio.run(everybody())
    assert sum(listener.n_cut for several in listeners for listener in several) >= 1000
    for job, several in zip(teller.jobs, listeners, strict=True):
        for listener in several:
            check_whole(listener.seen, caller, job)


def test_streams_outlive_the_gateway(live_gateway: Live) -> None:
    """kill -9, three times: who was listening goes on where the dead process left them."""
    caller = live_gateway.start()
    teller = Teller(live_gateway.fake, caller, 5, 0.02)
    port = str(httpx.URL(caller.http.base_url).port)
    n_broken = 0

    async def listen(http: httpx.AsyncClient, job: str) -> Listener:
        nonlocal n_broken
        listener = Listener(http, job, random.Random(0))
        while not listener.has_ended:
            try:
                await listener.to_the_end()
            except httpx.TransportError:
                n_broken += 1
                await asyncio.sleep(0.05)
        return listener

    async def deaths() -> None:
        for _ in range(3):
            await asyncio.sleep(0.7)
            await asyncio.to_thread(live_gateway.kill)
            await asyncio.to_thread(live_gateway.start, RNALEARNER_PORT=port)
        for job in teller.jobs:
            teller.enough(job)

    async def everybody() -> list[Listener]:
        async with client(caller) as http:
            *listeners, _ = await asyncio.gather(*(listen(http, job) for job in teller.jobs * 4), deaths())
        return listeners

    with teller.telling():
        listeners = asyncio.run(everybody())
    assert n_broken >= 3 * len(listeners)
    again = Caller(live_gateway.http, caller.key)
    for job, listener in zip(teller.jobs * 4, listeners, strict=True):
        check_whole(listener.seen, again, job)


def test_who_listens_again_after_a_retry_hears_only_what_is_new(live_gateway: Live) -> None:
    caller, fake = live_gateway.start(), live_gateway.fake
    job = str(caller.post("/v1/jobs", json=PRETRAIN).json()["id"])
    fake.begin(fake.wait_for(f"{job}-1").id)
    error = {"where": "corpus", "what": "is empty", "remedy": "fill it"}
    fake.finish(f"{job}-1", "FAILED", "user", error)

    async def both() -> tuple[list[str], list[str]]:
        async with client(caller) as http:
            listener = Listener(http, job, random.Random(0))
            await listener.to_the_end()
            before = [event["kind"] for event in listener.seen]
            assert caller.post(f"/v1/jobs/{job}:retry").status_code == 202
            fake.begin(fake.wait_for(f"{job}-2").id)
            fake.finish(f"{job}-2")
            await listener.to_the_end()
            assert [event["seq"] for event in listener.seen] == list(range(1, len(listener.seen) + 1))
            return before, [event["kind"] for event in listener.seen[len(before) :]]

    before, after = asyncio.run(both())
    assert before == ["queued", "submitted", "started", "ended"]
    assert after == ["retry", "submitted", "started", "ended"]


def test_two_hundred_silent_streams_leave_room_for_others_and_all_hear_the_end(live_gateway: Live) -> None:
    caller = live_gateway.start()
    teller = Teller(live_gateway.fake, caller, 1, 0)
    (job,) = teller.jobs

    async def everybody() -> list[Listener]:
        async with client(caller) as http:
            listeners = [Listener(http, job, random.Random(0)) for _ in range(200)]
            tasks = [asyncio.create_task(listener.to_the_end()) for listener in listeners]
            while not all(listener.seen for listener in listeners):
                await asyncio.sleep(0.05)
            for _ in range(100):
                answer = await http.get(f"/v1/jobs/{job}")
                assert answer.json()["status"] in ("PENDING", "RUNNING")
            live_gateway.fake.finish(f"{job}-1")
            await asyncio.gather(*tasks)
            return listeners

    for listener in asyncio.run(everybody()):
        assert [event["kind"] for event in listener.seen] == ["queued", "submitted", "started", "ended"]
