"""`kill -9` at every named point: what was acknowledged is there, and every job is carried out once.

A client drives a live gateway through a story that passes the point; the gateway dies there, is
started anew, and the client repeats the request that got no answer. Several stories run side by side.
"""

import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.crash import POINTS
from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Caller, Live
from tests.service.toy_tables import SHEET, sha256, table

SIDE_BY_SIDE = 4
PATIENCE_S = 60
QUEUED, RUN, END = ["queued"], ["submitted", "started", "phase", "progress", "phase"], ["ended"]


class Client:
    """Never gives up: when the gateway died, it is started again and asked again."""

    def __init__(self, folder: Path, crashes: list[str], **settings: Any) -> None:
        self.fake = FakeCluster(folder / "cluster")
        self.settings = Settings(
            data=folder / "data", database_url=None, min_free_mb=0, heartbeat_timeout_s=600, **settings
        )
        self.live = Live(self.settings, self.fake)
        self.crashes, self.deaths, self.n_requests = crashes, 0, 0
        self.armed: str | None = None
        self._start()

    def _start(self) -> None:
        """The next crash is armed; without one left it lives. It may die before it takes requests."""
        while True:
            self.armed = self.crashes.pop() if self.crashes else None
            try:
                self.caller: Caller = self.live.start(self.armed)
                return
            except AssertionError:
                assert self.live.died(), f"it did not start, and not because of {self.armed}"
                self.deaths += 1

    def alive(self) -> None:
        """Start it again if it died, which only the crash point may have done."""
        assert self.live.process is not None
        if self.live.process.poll() is not None:
            assert self.live.died()
            self.deaths += 1
            self._start()

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """The answer, however often the request must be sent until there is one."""
        while True:
            try:
                return self.caller.request(method, path, **rest)
            except httpx.TransportError:
                assert self.live.died(), "it lost a request and lives"
                self.alive()

    def post(self, path: str, **rest: Any) -> dict[str, Any]:
        """With a key of its own: once only, whatever happens. Asked once more it answers the same."""
        self.n_requests += 1
        headers = {"Idempotency-Key": f"request-{self.n_requests}"}
        answer = self.request("POST", path, headers=headers, **rest)
        assert answer.status_code == 202, answer.text
        assert self.request("POST", path, headers=headers, **rest).json() == answer.json()
        shown: dict[str, Any] = answer.json()
        return shown

    def wait(self, look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not good(seen := look()):
            assert time.monotonic() < end, f"still {seen}"
            self.alive()
            time.sleep(0.05)
        return seen

    def job(self, name: str, status: str) -> dict[str, Any]:
        """The job, once it has this status."""
        shown: dict[str, Any] = self.wait(
            lambda: self.request("GET", f"/v1/jobs/{name}").json(), lambda job: job["status"] == status
        )
        return shown

    def until_submitted(self, submission: str) -> None:
        self.wait(lambda: [known.id for known in self.fake.submissions], lambda ids: submission in ids)

    def run(self, submission: str) -> None:
        """What a job leaves, up to its last word."""
        self.until_submitted(submission)
        self.fake.begin(submission)
        self.fake.say(submission, "phase", {"name": "pretrain", "state": "running"})
        self.fake.say(submission, "progress", {"label": "pretrain", "done": 1, "total": 1, "note": ""})
        self.fake.say(submission, "phase", {"name": "pretrain", "state": "done"})

    def history(self, name: str) -> list[str]:
        """Kinds of the job's events; their numbers are 1, 2, 3, ..."""
        with closing(sqlite3.connect(self.settings.data / "gateway.db")) as database:
            rows = database.execute(
                "SELECT seq, kind FROM events WHERE job = ? ORDER BY seq", [name]
            ).fetchall()
            (n_events,) = database.execute("SELECT n_events FROM jobs WHERE id = ?", [name]).fetchone()
        assert [seq for seq, _ in rows] == list(range(1, n_events + 1))
        return [kind for _, kind in rows]

    def finish(self) -> None:
        """Stop it, and look at what it leaves."""
        assert self.live.stop() == 0
        assert not self.crashes
        with closing(sqlite3.connect(self.settings.data / "gateway.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        hidden = [path.name for path in self.settings.data.rglob(".*") if path.name != ".lock"]
        assert hidden == [], "temporary files"
        end = time.monotonic() + 20  # a child whose gateway was killed may be at its last lines
        while (orphans := _processes_of(self.fake.folder)) and time.monotonic() < end:
            time.sleep(0.1)
        assert orphans == []


def _processes_of(folder: Path) -> list[str]:
    """Processes that were started by a gateway of this cluster and live."""
    mark, found = f"FAKE_CLUSTER={folder}".encode(), []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environment.read_bytes().split(b"\0"):
                found.append((environment.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def jobs_story(client: Client, _round: int) -> None:
    """One job ends well; the next one is cancelled while it runs, tried again and ends well."""
    wanted = {"kind": "pretrain", "params": {"recipe": "demo"}}
    first = client.post("/v1/jobs", json=wanted)["id"]
    second = client.post("/v1/jobs", json=wanted)["id"]
    client.run(f"{first}-1")
    client.fake.finish(f"{first}-1")
    assert client.job(first, "SUCCEEDED")["error"] is None
    client.run(f"{second}-1")
    client.wait(lambda: client.history(second), lambda kinds: len(kinds) == len(QUEUED + RUN))
    client.post(f"/v1/jobs/{second}:cancel")
    client.wait(lambda: client.fake.stopped, lambda stopped: f"{second}-1" in stopped)
    client.fake.finish(f"{second}-1", "STOPPED")
    client.job(second, "STOPPED")
    client.post(f"/v1/jobs/{second}:retry")
    client.run(f"{second}-2")
    client.fake.finish(f"{second}-2")
    assert client.job(second, "SUCCEEDED")["attempt"] == 2
    assert client.history(first) == QUEUED + RUN + END
    assert client.history(second) == QUEUED + RUN + ["cancel"] + END + ["retry"] + RUN + END
    ours = [known.id for known in client.fake.submissions if known.id.startswith((first, second))]
    assert ours == [f"{first}-1", f"{second}-1", f"{second}-2"], "each attempt once, in order"
    results = client.request("GET", f"/v1/jobs/{first}/results")
    assert [file["path"] for file in results.json()["files"]] == ["report/summary.json"]


def datasets_story(client: Client, number: int) -> None:
    """A dataset is uploaded, gets its labels, and is deleted."""
    path = _upload(client, number)
    assert client.request("DELETE", path).status_code in (204, 404)
    assert client.request("GET", path).status_code == 404
    assert list(client.settings.uploads.glob(f"*/{path.rpartition('/')[2]}")) == []


def validation_story(client: Client, number: int) -> None:
    """It is read, and what was found is there."""
    path = _upload(client, number)
    shown = client.wait(lambda: client.request("GET", path).json(), lambda it: it["state"] != "VALIDATING")
    assert shown["state"] == "READY", shown["problem"]
    assert shown["report"]["n_samples"] == 6


def retention_story(client: Client, number: int) -> None:
    """It goes by itself when its time is over, whole."""
    body = table(number)
    path = f"/v1/datasets/{sha256(body)}"
    assert client.request("PUT", path, content=body).status_code in (200, 201)
    client.wait(lambda: client.request("GET", path).status_code, lambda status: status == 404)
    client.wait(lambda: list(client.settings.uploads.glob(f"*/{sha256(body)}")), lambda left: left == [])


def _upload(client: Client, number: int) -> str:
    body = table(number)
    path = f"/v1/datasets/{sha256(body)}"
    assert client.request("PUT", path, content=body).status_code in (200, 201)
    assert client.request("GET", path).json()["bytes"] == len(body)
    assert client.request("PUT", f"{path}/labels", content=SHEET).status_code == 200
    assert client.request("GET", path).json()["labels_sha256"] == sha256(SHEET)
    return path


STORIES = {
    "upload": datasets_story,
    "labels": datasets_story,
    "delete": datasets_story,
    "validate": validation_story,
    "retention": retention_story,
}


def killed(folder: Path, group: str, crashes: list[str]) -> None:
    """The group's story, again and again until all crashes have happened; the next one is armed while
    the last one is recovered from. Then a look at what is left."""
    n_crashes, lives_s = len(crashes), 2.0 if group == "retention" else None
    client = Client(folder, crashes, retention_days=None if lives_s is None else lives_s / 86400)
    try:
        for number in range(5 * n_crashes):
            STORIES.get(group, jobs_story)(client, number)
            if client.deaths == n_crashes:
                break
        assert client.deaths == n_crashes, f"it did not die at {client.armed}"
        client.finish()
    finally:
        client.live.stop()


@pytest.fixture(scope="module")
def one_each(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """A gateway for the points of a name's first word."""
    folder = tmp_path_factory.mktemp("one")
    groups = {group: [point for point in POINTS if _group(point) == group] for group in map(_group, POINTS)}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ends = {
            group: pool.submit(killed, folder / group, group, [*points]) for group, points in groups.items()
        }
        yield {point: ends[_group(point)] for point in POINTS}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def twenty_each(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """A gateway for each point; how often it passes there before it dies is left to chance."""
    folder = tmp_path_factory.mktemp("twenty")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ends = {}
        for point in POINTS:
            chance = random.Random(point)
            crashes = [f"{point}:{chance.randint(1, 3)}" for _ in range(20)]
            ends[point] = pool.submit(killed, folder / point, _group(point), crashes)
        yield ends
        pool.shutdown(cancel_futures=True)


def _group(point: str) -> str:
    return point.partition(".")[0]


def test_there_are_25_points_or_more_and_the_code_passes_each() -> None:
    assert len(POINTS) == len(set(POINTS)) >= 25
    code = "".join(path.read_text() for path in Path("service").rglob("*.py"))
    assert sorted(set(re.findall(r'reached\("([a-z.]+)"\)', code))) == sorted(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_lost_or_done_twice_by_a_kill(one_each: dict[str, Future[None]], point: str) -> None:
    one_each[point].result()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_lost_or_done_twice_by_twenty_kills(
    twenty_each: dict[str, Future[None]], point: str
) -> None:
    twenty_each[point].result()
