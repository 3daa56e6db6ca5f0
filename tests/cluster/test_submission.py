"""The Jobs API as the gateway uses it: asked twice, stopped, gone, open, and slow."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray._private.runtime_env.packaging import create_package

import cluster.submission
from cluster.submission import RayJobs, own_code
from rnalearner.errors import ClusterError
from rnalearner.layout import RunLayout
from tests.cluster.conftest import Adopted

pytestmark = pytest.mark.ray

ROOT = Path(__file__).resolve().parents[2]
COUNTS = "gene,S1,S2,S3\n" + "".join(f"ENSMUSG{g:011d},{g + 5},{2 * g + 3},{g + 9}\n" for g in range(40))
RECIPE = {
    "preprocessing": {"min_expressed_genes": 1},
    "data": {"source": "tables", "tables": [{"study": "mine", "path": "counts.csv"}]},
}
LONG = ("--data.source", "simulated", "--data.simulation.n_studies", "5000")


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    """A run with a recipe that its folder's own counts suffice for."""
    (tmp_path / "counts.csv").write_text(COUNTS)
    recipe = RECIPE | {"data": RECIPE["data"] | {"root": str(tmp_path)}}  # type: ignore[operator]
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    return RunLayout(tmp_path)


def words(layout: RunLayout, *more: str) -> list[str]:
    return ["ingest", str(layout.recipe), "--out", str(layout.root), "--attempt", "1", *more]


def wait_for(condition: Callable[[], Any], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def result(layout: RunLayout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(layout.attempt(1).result.read_text())
    return found


def test_a_job_submitted_twice_is_one_job_and_its_record_says_how_it_went(
    adopted: Adopted, layout: RunLayout, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")  # somebody else's: ours was named
    adopted.ray.submit("twice-1", words(layout), layout.root)
    adopted.ray.submit("twice-1", words(layout), layout.root)
    wait_for(lambda: adopted.ray.status("twice-1") not in ("PENDING", "RUNNING"))
    assert adopted.ray.status("twice-1") == "SUCCEEDED"
    adopted.ray.submit("twice-1", words(layout), layout.root)
    assert adopted.ray.status("twice-1") == "SUCCEEDED"
    assert (result(layout)["status"], result(layout)["figures"]["ingest"]["samples"]) == ("SUCCEEDED", 3)
    lines = [json.loads(line) for line in layout.attempt(1).events.read_text().splitlines()]
    assert [line["kind"] for line in lines].count("started") == 1
    assert "ingest: studies 1, samples 3" in layout.attempt(1).log.read_text()
    assert str(layout.attempt(1).log) in adopted.ray.logs("twice-1")


def test_a_job_that_is_stopped_says_so_itself(adopted: Adopted, layout: RunLayout):
    adopted.ray.submit("stopped-1", words(layout, *LONG), layout.root)
    wait_for(layout.attempt(1).heartbeat.exists)
    begun = time.monotonic()
    adopted.ray.stop("stopped-1")
    wait_for(layout.attempt(1).result.exists)
    assert time.monotonic() - begun < 10
    assert (result(layout)["status"], result(layout)["cause"]) == ("STOPPED", None)
    wait_for(lambda: adopted.ray.status("stopped-1") == "STOPPED")
    adopted.ray.stop("stopped-1")


def test_a_job_that_is_killed_leaves_no_result(adopted: Adopted, layout: RunLayout):
    adopted.ray.submit("killed-1", words(layout, *LONG), layout.root, {"OMP_NUM_THREADS": "3"})
    wait_for(layout.attempt(1).heartbeat.exists)
    pid = json.loads(layout.attempt(1).events.read_text().splitlines()[0])["data"]["pid"]
    assert b"OMP_NUM_THREADS=3\0" in Path(f"/proc/{pid}/environ").read_bytes()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: adopted.ray.status("killed-1") == "FAILED")
    assert not layout.attempt(1).result.exists()


def test_what_ray_does_not_know_is_no_error(adopted: Adopted):
    assert adopted.ray.status("nobody") is None
    assert adopted.ray.logs("nobody") == ""
    adopted.ray.stop("nobody")


def test_nodes_are_told_with_their_resources(adopted: Adopted):
    (node,) = adopted.ray.nodes()
    assert node["alive"] is True
    assert node["resources"]["CPU"] == 2


def test_strangers_are_refused(adopted: Adopted):
    address = adopted.before["address"]
    RayJobs(address).check()
    for method, path in (("GET", ""), ("GET", "twice-1"), ("POST", ""), ("POST", "twice-1/stop")):
        answer = httpx.request(method, f"{address}/api/jobs/{path}", json={"entrypoint": "true"})
        assert answer.status_code == 401, (method, path)


def test_a_wrong_token_is_one_sentence(adopted: Adopted):
    code = f"from cluster.submission import RayJobs; RayJobs({adopted.before['address']!r}).check()"
    env = os.environ | {"RAY_AUTH_TOKEN": "0" * 64}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "refused our token; put the cluster's token into ~/.ray/auth_token" in done.stderr


@contextmanager
def server(answers: Callable[[BaseHTTPRequestHandler], int]) -> Iterator[str]:
    """Something at an address that answers every GET with a status and an empty object."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers(self))
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_cluster_that_answers_anybody_is_refused():
    """As an open Ray does: it knows no such job, and lists those there are, whoever asks."""
    with server(lambda request: 200 if request.path == "/api/jobs/" else 404) as address:
        with pytest.raises(ClusterError, match="runs anybody's code") as caught:
            RayJobs(address).check()
        assert "RAY_AUTH_MODE=token" in caught.value.remedy


def test_a_cluster_that_does_not_answer_is_told_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster.submission, "ANSWER_S", 0.3)
    gone = threading.Event()
    with server(lambda request: 200 if gone.wait(5) else 500) as slow:
        for address in ("127.0.0.1:9", "http://host.invalid:8265", slow):
            begun = time.monotonic()
            with pytest.raises(ClusterError, match="does not answer"):
                RayJobs(address).check()
            assert time.monotonic() - begun < 10
        gone.set()


def test_something_else_at_the_address_is_one_sentence():
    with server(lambda request: 200) as address, pytest.raises(ClusterError, match="did not do what"):
        RayJobs(address).status("a")


def test_only_the_packages_travel(tmp_path: Path):
    archive = tmp_path / "code.zip"
    code = own_code()
    create_package(code["working_dir"], archive, include_gitignore=True, excludes=code["excludes"])
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(archive)], capture_output=True, text=True, check=True
    )
    names = [line.split()[0] for line in listed.stdout.splitlines()[1:]]
    assert {name.split("/")[0] for name in names} == {"rnalearner", "cluster", "jobs", "service"}
    assert "jobs/recipes/demo.toml" in names
    assert not [name for name in names if "__pycache__" in name or name.startswith("service/pages/static/")]
    assert archive.stat().st_size < 2_000_000
