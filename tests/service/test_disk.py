"""A disk that fills up or takes no writes: each answer is a problem, no file is torn, and it goes on."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running, running
from tests.service.toy_jobs import finetune
from tests.service.toy_tables import SHEET, sha256, table, wait_until, when_validated

PRETRAIN = {"kind": "pretrain", "params": {"recipe": "demo"}}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """64 MiB of their own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=4000", "rnalearner-test", folder]
    if os.getuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, stderr=-3).returncode:
        pytest.skip("needs to mount a tmpfs: root, and mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextmanager
def filled(disk: Path, free: int) -> Iterator[None]:
    """All but so many bytes of the disk are taken."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, shutil.disk_usage(disk).free - free))
    try:
        yield
    finally:
        filler.unlink()


def check_whole(settings: Settings) -> set[str]:
    """Every file is as its name says; returns the datasets."""
    folders = [path for path in settings.uploads.glob("*/*") if path.name[0] != "."]
    for folder in folders:
        for path in folder.iterdir():
            named = folder.name if path.stem == "table" else path.stem.removeprefix("labels-")
            if path.suffix in (".txt", ".csv"):
                assert sha256(path.read_bytes()) == named, path
    return {folder.name for folder in folders}


def is_answered(answer: httpx.Response) -> bool:
    """Whether it was done; where it was not, the disk is named."""
    if answer.status_code < 400:
        return True
    assert answer.status_code == 507, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:rnalearner:disk-full"
    return False


def one_write(gateway: Running, number: int, kind: int) -> httpx.Response:
    """A change of the kind, like no other."""
    lab, body = gateway.lab, table(number, n_genes=40 + 37 * number)
    if kind == 0:
        return lab.put(f"/v1/datasets/{sha256(body)}", content=body)
    if kind == 1:
        return lab.post("/v1/datasets", files={"file": ("a.csv", body), "labels": ("s.csv", SHEET)})
    if kind == 2:
        first = f"/v1/datasets/{sha256(table(1000))}/labels"
        return lab.put(first, content=SHEET + f"S{number},z,m\n".encode() * 1000)
    if kind == 3:
        return lab.post("/v1/jobs", json=PRETRAIN, headers={"Idempotency-Key": f"try-{number}"})
    return lab.post("/v1/keys", json={"owner": "moon", "name": "x" * 120})


def check_goes_on(gateway: Running) -> None:
    """With room again, everything works, and what is uploaded is validated."""
    rows = gateway.lab.get("/v1/datasets?limit=200").json()["items"]
    # A folder whose row found no room is known to nobody, and goes at the next start.
    assert check_whole(gateway.settings) >= {row["id"] for row in rows}
    for row in rows:
        assert gateway.lab.delete(f"/v1/datasets/{row['id']}").status_code == 204
    body = table(2000)
    path = f"/v1/datasets/{sha256(body)}"
    assert gateway.lab.put(path, content=body).status_code == 201
    assert gateway.lab.put(f"{path}/labels", content=SHEET).status_code == 200
    assert when_validated(gateway.lab, path, 120)["state"] == "READY"
    assert gateway.lab.post("/v1/jobs", json=finetune(sha256(body))).status_code == 202
    with gateway.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_at_fifty_writes_into_a_disk_that_is_nearly_full_nothing_is_torn(
    small_disk: Path, fake: FakeCluster
) -> None:
    generator = random.Random(8)
    fake.unreachable()
    settings = Settings(data=small_disk / "data", min_free_mb=0, max_queued=100)
    with running(settings, fake) as gateway:
        first = table(1000)
        path = f"/v1/datasets/{sha256(first)}"
        assert gateway.lab.put(path, content=first).status_code == 201
        assert when_validated(gateway.lab, path)["state"] == "READY"
        done = [0, 0]
        for number in range(50):
            with filled(small_disk, generator.randrange(0, 150_000)):
                done[is_answered(one_write(gateway, number, number % 5))] += 1
                assert gateway.lab.get("/v1/jobs").status_code == 200
                assert gateway.http.get("/healthz").status_code == 200
            check_whole(settings)
        assert min(done) >= 5, done
        check_goes_on(gateway)


def test_a_good_table_is_not_refused_because_the_disk_was_full(small_disk: Path, fake: FakeCluster) -> None:
    settings = Settings(data=small_disk / "data", min_free_mb=0)
    body = table(7)
    path = f"/v1/datasets/{sha256(body)}"
    with running(settings, fake) as gateway:
        with filled(small_disk, len(body) + 200_000):
            assert gateway.lab.put(path, content=body).status_code == 201
            rest = small_disk / "rest"
            with rest.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free)
            wait_until(lambda: list(settings.uploads.glob("*/.incoming-*")) == [])
            rest.unlink()
        assert when_validated(gateway.lab, path, 120)["state"] == "READY"


def test_a_disk_that_takes_no_writes_is_named_and_comes_back(small_disk: Path, fake: FakeCluster) -> None:
    """Files that are open stay writable: so does SQLite's. Whatever is opened anew is not."""
    settings = Settings(data=small_disk / "data", min_free_mb=0)
    body = table(3)
    path = f"/v1/datasets/{sha256(body)}"
    with running(settings, fake) as gateway:
        assert gateway.lab.get("/v1/datasets").status_code == 200
        settings.uploads.mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", settings.uploads, settings.uploads], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", settings.uploads], check=True)
        try:
            for _ in range(3):
                answer = gateway.lab.put(path, content=body)
                assert answer.status_code == 503, answer.text
                assert answer.json()["type"] == "urn:rnalearner:disk-read-only"
                assert answer.headers["retry-after"]
            assert gateway.lab.get("/v1/datasets").json()["items"] == []
        finally:
            subprocess.run(["umount", settings.uploads], check=True)
        check_goes_on(gateway)
