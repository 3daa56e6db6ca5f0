"""Alive, ready, or what is in the way; never does it wait for the cluster."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running, running


def _until(true: Callable[[], bool], timeout: float = 15) -> None:
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)


def test_a_gateway_in_order_is_alive_and_ready(gateway: Running) -> None:
    assert gateway.http.get("/healthz").json() == {"status": "ok"}
    _until(lambda: gateway.http.get("/readyz").status_code == 200)


def test_without_its_cluster_it_is_not_ready_says_so_and_answers_all_else(
    tmp_path: Path, fake: FakeCluster
) -> None:
    fake.unreachable()
    with running(Settings(data=tmp_path / "data", min_free_mb=0), fake) as gateway:
        _until(lambda: "does not answer" in gateway.http.get("/readyz").text)
        answer = gateway.http.get("/readyz")
        assert answer.status_code == 503
        assert [fault["where"] for fault in answer.json()["errors"]] == ["cluster"]
        assert gateway.http.get("/healthz").status_code == 200
        assert gateway.lab.get("/v1/me").status_code == 200
        assert gateway.lab.get("/v1/jobs").status_code == 200
        assert gateway.lab.get("/v1/cluster").status_code == 503
        assert "rnalearner_cluster_up 0.0" in gateway.http.get("/metrics").text
        fake.unreachable(False)
        _until(lambda: gateway.http.get("/readyz").status_code == 200)


def test_a_cluster_that_obeys_anybody_keeps_it_from_being_ready(tmp_path: Path, fake: FakeCluster) -> None:
    fake.unguarded()
    with running(Settings(data=tmp_path / "data", min_free_mb=0), fake) as gateway:
        _until(lambda: "without a token" in gateway.http.get("/readyz").text)


def test_a_full_disk_keeps_it_from_being_ready(tmp_path: Path, fake: FakeCluster) -> None:
    with running(Settings(data=tmp_path / "data", min_free_mb=10**9), fake) as gateway:
        _until(lambda: "MB are free" in gateway.http.get("/readyz").text)
        assert gateway.http.get("/readyz").status_code == 503


class _Hanging(FakeCluster):
    """Every question takes until the test is over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.over = threading.Event()

    def check(self) -> None:
        self.over.wait(30)
        super().check()


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[_Hanging]:
    hanging = _Hanging(tmp_path / "cluster")
    yield hanging
    hanging.over.set()


def test_nobody_waits_for_a_cluster_that_hangs(tmp_path: Path, hanging: _Hanging) -> None:
    with running(Settings(data=tmp_path / "data", min_free_mb=0), hanging) as gateway:
        begun = time.monotonic()
        for _ in range(5):
            assert gateway.http.get("/readyz").status_code == 503
            assert gateway.http.get("/healthz").status_code == 200
            assert gateway.lab.get("/v1/jobs").status_code == 200
        assert time.monotonic() - begun < 2
        hanging.over.set()
