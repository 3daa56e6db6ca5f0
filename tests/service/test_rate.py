"""Requests a minute: by key, and by address where there is no good key."""

from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings import Settings
from service.web.rate import Buckets, Rates, take
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Caller, running

MINUTE = 60.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    per_minute=st.integers(1, 200),
    gaps=st.lists(st.sampled_from([0.0, 0.001, 0.3, 1.0, 7.0, 61.0]), min_size=1, max_size=300),
)
def test_in_any_span_no_more_passes_than_a_full_bucket_and_what_flows_in(
    per_minute: int, gaps: list[float]
) -> None:
    now, full_at = 0.0, 0.0
    passed: list[float] = []
    for gap in gaps:
        now += gap
        full_at, wait = take(full_at, now, per_minute)
        if wait == 0:
            passed.append(now)
        else:  # what it says is enough
            assert take(full_at, now + wait, per_minute)[1] == 0
    for first, begun in enumerate(passed):
        for last in range(first, len(passed)):
            room = per_minute * (1 + (passed[last] - begun) / MINUTE)
            assert last - first + 1 <= room + 1e-3


def test_a_bucket_holds_a_minutes_worth_and_fills_steadily() -> None:
    clock = Clock()
    buckets = Buckets(60, clock=clock)
    assert [buckets.wait("a") for _ in range(60)] == [0.0] * 60
    assert buckets.wait("a") == pytest.approx(1)
    assert buckets.wait("b") == 0
    clock.now += 3
    assert [buckets.wait("a") for _ in range(3)] == [0.0] * 3
    assert buckets.wait("a") == pytest.approx(1)


def test_there_are_never_more_buckets_than_were_allowed() -> None:
    clock = Clock()
    buckets = Buckets(10, most=100, clock=clock)
    for number in range(1000):
        buckets.wait(str(number))
        assert len(buckets) <= 100
    clock.now += MINUTE
    buckets.wait("new")
    for number in range(99):
        buckets.wait(f"later {number}")
    buckets.wait("one more")  # those of a minute ago are full again, and forgotten first
    assert buckets.wait("new") == 0


def test_one_ipv6_network_is_one_address(tmp_path: Path) -> None:
    rates = Rates(Settings(data=tmp_path, max_bad_keys_per_minute=2), Clock())
    rates.bad_key("2001:db8::1")
    rates.bad_key("2001:db8::ffff:2%eth0")
    rates.bad_key("2001:db8:0:1::1")
    with pytest.raises(Exception, match="too-many-requests"):
        rates.bad_key("2001:db8::3")


def is_refused(answer: httpx.Response, *parts: str) -> None:
    assert answer.status_code == 429, answer.text
    problem = answer.json()
    assert problem["type"] == "urn:rnalearner:too-many-requests"
    for part in parts:
        assert part in problem["detail"]
    assert answer.headers["ratelimit-remaining"] == "0"
    assert 1 <= int(answer.headers["retry-after"]) == int(answer.headers["ratelimit-reset"]) <= 60


def test_a_busy_key_waits_and_no_other_with_it(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path / "data",
        database_url=sqlite_url,
        min_free_mb=0,
        max_reads_per_minute=5,
        max_writes_per_minute=2,
    )
    with running(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        assert [gateway.lab.get("/v1/me").status_code for _ in range(5)] == [200] * 5
        answer = gateway.lab.get("/v1/me")
        is_refused(answer, "API key", "5 reads a minute")
        assert answer.headers["ratelimit-limit"] == "5"
        wish = {"owner": "moon"}
        assert [gateway.lab.post("/v1/keys", json=wish).status_code for _ in range(2)] == [201] * 2
        is_refused(gateway.lab.post("/v1/keys", json=wish), "2 writes a minute")
        assert gateway.caller("lab").get("/v1/me").status_code == 200
        for path in ("/healthz", "/metrics"):
            assert [gateway.lab.get(path).status_code for _ in range(10)] == [200] * 10


def test_whoever_guesses_keys_is_slowed_down_and_shuts_nobody_out(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0, max_bad_keys_per_minute=4
    )
    with running(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        guess = Caller(gateway.http, f"rnal_{'0' * 20}_{'0' * 48}")
        assert [guess.get("/v1/me").status_code for _ in range(3)] == [401] * 3
        assert gateway.http.get("/v1/me").status_code == 401
        is_refused(guess.get("/v1/me"), "your address", "4 requests a minute")
        is_refused(gateway.http.post("/v1/jobs", json={}), "without a good API key")
        assert gateway.lab.get("/v1/me").status_code == 200  # from the same address
