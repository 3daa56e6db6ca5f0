"""A job's events as a stream: each exactly once and in order, however often the line is cut."""

import asyncio
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.jobs.bulletin import Bulletin
from service.jobs.history import Entry, record
from service.settings import Settings
from service.web import stream
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running
from tests.service.toy_jobs import away, finetune


@pytest.fixture
def waiting(settings: Settings, fake: FakeCluster) -> Iterator[Running]:
    with away(settings, fake) as gateway:
        yield gateway


def tell(gateway: Running, job: str, n: int = 1, ended: str | None = None, **changes: Any) -> None:
    """As the supervisor would: `n` events in one transaction, and perhaps the end."""
    entries = [
        Entry(1.0, "progress", {"label": "fit", "done": i, "total": n, "figures": {"loss": 1 / (i + 1)}})
        for i in range(n)
    ]
    if ended is not None:
        entries.append(Entry(2.0, "ended", {"status": ended, "cause": None, "error": None}))
        changes["status"] = ended
    with gateway.database.write() as connection:
        record(connection, job, entries, **changes)
    gateway.app.state.gateway.bulletin.notify(job)


def read(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """Events of an open stream, with what the stream itself says of each."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            event = json.loads(fields["data"])
            assert (fields["id"], fields["event"]) == (str(event["seq"]), event["kind"])
            yield event
            fields = {}


def follow(gateway: Running, path: str, headers: dict[str, str] | None = None) -> Any:
    key = {"Authorization": f"Bearer {gateway.lab.key}"}
    return gateway.http.stream("GET", f"{path}/events", headers=key | (headers or {}))


def post(gateway: Running) -> tuple[str, str]:
    path = gateway.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    return path, path.rpartition("/")[2]


def test_a_stream_tells_the_past_and_the_present_and_ends_with_the_job(waiting: Running) -> None:
    path, job = post(waiting)
    tell(waiting, job, 3)
    with follow(waiting, path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = read(answer)
        assert [next(events)["seq"] for _ in range(4)] == [1, 2, 3, 4]
        begun = time.monotonic()
        tell(waiting, job, 1)
        assert next(events)["seq"] == 5
        assert time.monotonic() - begun < stream._LOOK_S / 2, "the bell was not heard"
        tell(waiting, job, 0, ended="SUCCEEDED")
        assert [event["kind"] for event in events] == ["ended"]


def test_a_job_that_runs_again_goes_on_in_the_same_stream(waiting: Running) -> None:
    path, _ = post(waiting)
    waiting.lab.post(f"{path}:cancel")
    waiting.lab.post(f"{path}:retry")
    with follow(waiting, path) as answer:
        events = read(answer)
        assert [next(events)["kind"] for _ in range(4)] == ["queued", "cancel", "ended", "retry"]
        waiting.lab.post(f"{path}:cancel")
        assert [event["kind"] for event in events] == ["cancel", "ended"]


def test_a_stream_that_is_cut_again_and_again_tells_each_event_once(waiting: Running) -> None:
    path, job = post(waiting)
    rng = random.Random(0)
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.005):
            tell(waiting, job, 2)
        tell(waiting, job, 2, ended="SUCCEEDED")

    writer = threading.Thread(target=work)
    writer.start()
    seen: list[tuple[int, str]] = []
    try:
        for _ in range(40):
            last = {"Last-Event-ID": str(seen[-1][0])} if seen else {}
            with follow(waiting, path, last) as answer:
                few = itertools.islice(read(answer), rng.randint(1, 5))
                seen += [(event["seq"], event["kind"]) for event in few]
    finally:
        over.set()
        writer.join()
    with follow(waiting, path, {"Last-Event-ID": str(seen[-1][0])}) as answer:
        seen += [(event["seq"], event["kind"]) for event in read(answer)]
    assert [seq for seq, _ in seen] == list(range(1, len(seen) + 1))
    assert [kind for _, kind in seen].index("ended") == len(seen) - 1


def test_events_can_be_asked_for_now_and_then(waiting: Running) -> None:
    path, job = post(waiting)
    tell(waiting, job, 5)
    accept = {"Accept": "application/json"}
    first = waiting.lab.get(f"{path}/events?limit=4", headers=accept)
    assert ([event["seq"] for event in first.json()["items"]], first.json()["ended"]) == ([1, 2, 3, 4], False)
    rest = waiting.lab.get(f"{path}/events?format=json&after={first.json()['after']}")
    assert ([event["seq"] for event in rest.json()["items"]], rest.json()["ended"]) == ([5, 6], False)
    same = {"If-None-Match": rest.headers["ETag"]}
    assert waiting.lab.get(f"{path}/events?format=json&after=4", headers=same).status_code == 304
    tell(waiting, job, 0, ended="FAILED")
    last = waiting.lab.get(f"{path}/events?format=json&after=6").json()
    assert ([event["kind"] for event in last["items"]], last["ended"]) == (["ended"], True)
    assert waiting.lab.get(f"{path}/events?format=json&after=7").json()["ended"]


def test_a_place_that_is_no_number_is_refused(waiting: Running) -> None:
    path, _ = post(waiting)
    for headers, query in (({"Last-Event-ID": "x"}, ""), ({}, "?after=-1"), ({}, f"?after={2**31}")):
        assert waiting.lab.get(f"{path}/events{query}", headers=headers).status_code == 422


def test_what_has_been_seen_is_not_told_again_at_the_end(waiting: Running) -> None:
    path, job = post(waiting)
    tell(waiting, job, 0, ended="STOPPED")
    with follow(waiting, path, {"Last-Event-ID": "2"}) as answer:
        assert list(read(answer)) == []


def test_a_stream_looks_by_itself_where_another_process_has_the_news(
    waiting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_LOOK_S", 0.05)
    monkeypatch.setattr(stream, "_PING_S", 0.05)
    path, job = post(waiting)
    with follow(waiting, path) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": ping"
        with waiting.database.write() as connection:
            record(connection, job, [Entry(1.0, "lost", {})])  # and no bell
        assert next(line for line in lines if line.startswith("event: lost"))


def test_curves_are_the_figures_that_progress_carried(waiting: Running) -> None:
    path, job = post(waiting)
    tell(waiting, job, 3)
    with waiting.database.write() as connection:
        record(
            connection, job, [Entry(1.0, "progress", {"label": "studies", "done": 1, "total": 2, "note": ""})]
        )
    points = waiting.lab.get(f"{path}/metrics").json()["points"]
    assert [(point["label"], point["done"], point["figures"]) for point in points] == [
        ("fit", 0, {"loss": 1.0}),
        ("fit", 1, {"loss": 0.5}),
        ("fit", 2, {"loss": 1 / 3}),
    ]


def test_a_bell_rung_from_another_thread_wakes_who_waits_for_that_job_alone() -> None:
    bulletin = Bulletin()

    async def both() -> tuple[bool, bool]:
        with bulletin.watch("a") as heard, bulletin.watch("b") as silent:
            threading.Timer(0.02, bulletin.notify, ["a"]).start()
            return await asyncio.gather(heard.wait(5), silent.wait(0.1))  # type: ignore[return-value]

    assert tuple(asyncio.run(both())) == (True, False)
    bulletin.notify("a")  # nobody is left to hear it
    assert not bulletin._watches


def test_news_between_two_waits_is_not_lost() -> None:
    bulletin = Bulletin()

    async def late() -> bool:
        with bulletin.watch("a") as watch:
            bulletin.notify("a")
            await asyncio.sleep(0)
            return await watch.wait(5)

    assert asyncio.run(late())
