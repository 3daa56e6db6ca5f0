"""What a job made and printed, as its owner gets it; and the cluster, as far as it answers."""

import hashlib
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import update

from rnalearner.layout import RunLayout
from service.settings import Settings
from service.store.tables import jobs
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running, running
from tests.service.toy_jobs import finetune, put_dataset

REPORT = b"<html><script>alert(1)</script></html>"
FILES = {"report/index.html": REPORT, "predict/a b#1%2F.csv": b"sample,p\n" * 5000}


@pytest.fixture
def gateway(tmp_path: Path, sqlite_url: str, fake: FakeCluster):  # type: ignore[no-untyped-def]
    """Results lie in folders: the kind of database is all the same."""
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0)
    with running(settings, fake) as gateway:
        put_dataset(gateway.database, settings)
        yield gateway


def begun(gateway: Running) -> tuple[str, str]:
    """Path and submission of a job that the cluster has."""
    path = gateway.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    submission = f"{path.rpartition('/')[2]}-1"
    gateway.fake.wait_for(submission)
    gateway.fake.begin(submission)
    return path, submission


def until(gateway: Running, path: str, status: str) -> None:
    end = time.monotonic() + 20
    while gateway.lab.get(path).json()["status"] != status:
        assert time.monotonic() < end, gateway.lab.get(path).text
        time.sleep(0.02)


def succeeded(gateway: Running) -> str:
    path, submission = begun(gateway)
    gateway.fake.finish(submission, files=FILES, figures={"finetune": {"runs": 5}})
    until(gateway, path, "SUCCEEDED")
    return path


def test_results_are_listed_and_each_can_be_fetched(gateway: Running) -> None:
    path = succeeded(gateway)
    results = gateway.lab.get(f"{path}/results").json()
    assert results["figures"] == {"finetune": {"runs": 5}}
    assert {file["path"]: file["bytes"] for file in results["files"]} == {
        name: len(content) for name, content in FILES.items()
    }
    for file in results["files"]:
        answer = gateway.lab.get(file["link"])
        assert answer.content == FILES[file["path"]]
        assert file["sha256"] == hashlib.sha256(answer.content).hexdigest()
        assert answer.headers["ETag"] == f'"{file["sha256"]}"'
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        again = gateway.lab.get(file["link"], headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    part = gateway.lab.get(results["files"][1]["link"], headers={"Range": "bytes=0-5"})
    assert (part.status_code, part.content) == (206, b"sample")
    beyond = gateway.lab.get(results["files"][1]["link"], headers={"Range": "bytes=999999-"})
    assert (beyond.status_code, beyond.headers["content-type"]) == (416, "application/problem+json")


def test_only_what_the_manifest_lists_is_given_away(gateway: Running) -> None:
    path = succeeded(gateway)
    folder = gateway.settings.jobs / path.rpartition("/")[2]
    for name in (
        "recipe.json",
        "attempts/1/result.json",
        "../gateway.db",
        "%2e%2e/gateway.db",
        "report",
        "a//b",
    ):
        answer = gateway.lab.get(f"{path}/results/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), name
    (folder / "report" / "index.html").unlink()
    (folder / "report" / "index.html").symlink_to("/etc/hostname")
    (folder / "predict" / "a b#1%2F.csv").write_bytes(b"cut")
    for name in FILES:
        answer = gateway.lab.get(f"{path}/results/{quote(name)}")
        assert (answer.status_code, "no longer as it was made" in answer.text) == (410, True), name


def test_without_results_the_reason_is_told(gateway: Running) -> None:
    path, submission = begun(gateway)
    early = gateway.lab.get(f"{path}/results")
    assert (early.status_code, "no results yet" in early.text) == (409, True)
    assert early.headers["Retry-After"]
    error = {"where": "sheet.csv", "what": "names no sample", "remedy": "mend it"}
    gateway.fake.finish(submission, "FAILED", "user", error)
    until(gateway, path, "FAILED")
    late = gateway.lab.get(f"{path}/results")
    assert (late.status_code, "sheet.csv: names no sample); mend it" in late.json()["detail"]) == (409, True)


def test_a_log_is_read_while_it_grows_and_from_its_end(gateway: Running) -> None:
    path, _ = begun(gateway)
    log = RunLayout(gateway.settings.jobs / path.rpartition("/")[2]).attempt(1).log
    lines = [f"line {number} µ\n" for number in range(20_000)]
    log.write_text("".join(lines))
    answer = gateway.lab.get(f"{path}/logs")
    assert (answer.text, answer.headers["content-type"]) == ("".join(lines), "text/plain; charset=utf-8")
    for tail in (1, 2, 9_999, 20_000, 30_000):
        assert gateway.lab.get(f"{path}/logs", params={"tail": tail}).text == "".join(lines[-tail:]), tail
    log.write_text("no end of line")
    assert gateway.lab.get(f"{path}/logs?tail=1&attempt=1").text == "no end of line"
    log.write_text("")
    assert gateway.lab.get(f"{path}/logs?tail=1").text == ""
    ahead = gateway.lab.get(f"{path}/logs?attempt=2")
    assert (ahead.status_code, "has not begun" in ahead.text) == (404, True)


def test_the_log_of_what_never_began_is_the_clusters_and_503_without_it(gateway: Running) -> None:
    path, submission = begun(gateway)
    (gateway.fake.folder / f"{submission}.log").write_text("no such module\nbye\n")
    assert gateway.lab.get(f"{path}/logs?tail=1").text == "bye\n"
    waits = gateway.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    assert gateway.lab.get("/v1/cluster").json() == {
        "nodes": [{"id": "node-1", "alive": True, "resources": {"CPU": 2.0}}]
    }
    gateway.fake.unreachable()
    for asked in (f"{path}/logs", "/v1/cluster"):
        answer = gateway.lab.get(asked)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:rnalearner:cluster-unavailable")
    assert gateway.lab.get(f"{waits}/logs").text == ""
    assert gateway.lab.get(path).status_code == 200


def test_a_manifest_that_went_is_a_problem_and_no_crash(gateway: Running) -> None:
    path = succeeded(gateway)
    job = path.rpartition("/")[2]
    RunLayout(gateway.settings.jobs / job).attempt(1).result.write_text("{")
    assert gateway.lab.get(f"{path}/results").status_code == 410
    with gateway.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job).values(attempt=7))
    assert gateway.lab.get(f"{path}/results/report/index.html").status_code == 410
