"""A Ray that was started here is closed: every door of it is knocked on, without a token and with another's.

Three ways of starting one: `rnalearner cluster up`, the gateway's head, and a command's private session.
"""

import os
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest

from cluster.head import EmbeddedRay
from cluster.loopback import OPENED
from cluster.processes import RayProcesses, marked
from cluster.up import LocalCluster
from tests.cluster.head_of_a_gateway import wait_until_up
from tests.cluster.knocking import (
    HEALTH,
    NOBODYS,
    RAY,
    SYNC,
    doors,
    grpc_methods,
    http_routes,
    is_loopback,
    knock_grpc,
    knock_http,
    listeners,
)

pytestmark = pytest.mark.ray

EVERY_WAY = ["cluster up", "gateway", "private session"]

ANOTHERS = {"Authorization": f"Bearer {'0' * 64}"}

# What a stranger may see: that it lives, that it asks for a token, and the page that asks for it.
LIVES = {b"success", b"raylet: success\ngcs: success", b"raylet: success\ngcs: success (no local gcs)"}
OPEN = {
    "/api/gcs_healthz": LIVES,
    "/api/local_raylet_healthz": LIVES,
    "/api/healthz": LIVES,
    "/-/healthz": LIVES,
    "/api/authentication_mode": {b'{"authentication_mode": "token"}'},
    "/api/authenticate": set(),
    "/": {(RAY / "dashboard/client/build/index.html").read_bytes()},
    "/favicon.ico": {(RAY / "dashboard/client/build/favicon.ico").read_bytes()},
    "/static/x": set(),  # of the files of that page; this one does not exist
}


@dataclass(frozen=True)
class Running:
    processes: list[psutil.Process]
    folder: Path
    """Ours, around Ray's with its sockets."""
    logs: Path


def of(folder: Path) -> Running:
    """The Ray that `folder`/ray.json remembers."""
    started = RayProcesses(folder).remembered()
    assert started is not None
    own = Path(started.folder)
    return Running(marked(started), own, own / OPENED / "session_latest" / "logs")


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("ray")
    if request.param == "cluster up":
        cluster = LocalCluster(folder)
        cluster.up(workers=1, cpus_per_worker=1, object_store_mb=100)
        yield of(folder)
        cluster.down()
    elif request.param == "gateway":
        head = EmbeddedRay(folder, num_cpus=1, object_store_mb=100)
        try:
            wait_until_up(head)
            yield of(folder)
        finally:
            head.close()
    else:
        words = [sys.executable, "-m", "tests.cluster.private_session"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as command:
            assert command.stdin is not None
            assert command.stdout is not None
            session = Path(command.stdout.readline().strip())
            itself = psutil.Process(command.pid)
            yield Running([itself, *itself.children(recursive=True)], session.parents[1], session / "logs")
            command.stdin.close()


@pytest.mark.parametrize("running", EVERY_WAY, indirect=True)
@pytest.mark.usefixtures("running")
def test_its_token_is_this_users_alone():
    assert stat.S_IMODE((Path.home() / ".ray" / "auth_token").stat().st_mode) == 0o600


@pytest.mark.parametrize("running", EVERY_WAY, indirect=True)
def test_its_sockets_are_this_users_alone(running: Running):
    assert stat.S_IMODE(running.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("running", EVERY_WAY, indirect=True)
def test_it_listens_on_loopback_alone(running: Running):
    found = listeners(running.processes)
    assert len(found) >= 6
    assert [listener for listener in found if not is_loopback(listener[0])] == []


@pytest.mark.parametrize("running", EVERY_WAY, indirect=True)
@pytest.mark.parametrize(("headers", "refusal"), [({}, 401), (ANOTHERS, 403)], ids=["without", "another's"])
def test_every_http_route_asks_for_the_token(running: Running, headers: dict[str, str], refusal: int):
    routes = http_routes(running.logs)
    found = [door for door in doors(running.processes) if door.http]
    assert len(found) >= 2
    seen: Counter[str] = Counter()
    for door in found:
        for (method, path), answer in knock_http(door, routes, headers).items():
            where = f"{method} {path} of {door.owner} ({door.port})"
            seen[path] += 1
            if answer.status_code == refusal:
                continue
            assert path in OPEN, where
            if answer.status_code == 200:
                assert method in ("GET", "HEAD"), where
                assert answer.content in {*OPEN[path], b""}, where
            else:
                assert answer.status_code in (401, 403, 404, 405), where
    assert set(seen) >= {"/api/job_agent/jobs/", "/logs/x", "/metrics", NOBODYS, "/get_or_create_runtime_env"}


@pytest.mark.parametrize("running", EVERY_WAY, indirect=True)
@pytest.mark.parametrize("token", [None, "0" * 64], ids=["without", "another's"])
def test_every_grpc_method_asks_for_the_token(running: Running, token: str | None):
    methods = grpc_methods()
    found = [door for door in doors(running.processes) if not door.http]
    assert len(found) >= 4  # the GCS, a raylet's two, an agent's
    for door in found:
        answers = knock_grpc(door, methods, token)
        assert set(answers) == {"UNAUTHENTICATED", "UNIMPLEMENTED"}, door
        assert set(knock_grpc(door, [HEALTH], token)) <= {f"OK {HEALTH}", "UNIMPLEMENTED"}, door


@pytest.mark.parametrize("running", ["cluster up"], indirect=True)
def test_a_driver_without_the_token_does_not_get_in(running: Running, tmp_path: Path):
    gcs = next(listener for listener in listeners(running.processes) if listener[2] == "gcs_server")
    address = f"[::ffff:127.0.0.1]:{gcs[1]}"
    strangers = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    strangers |= {"HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"}
    words = [sys.executable, "-c", f"import ray; ray.init({address!r}); print('inside')"]
    driver = subprocess.run(words, env=strangers, capture_output=True, text=True, timeout=300, check=False)
    assert driver.returncode != 0
    assert "inside" not in driver.stdout
    assert "AuthenticationError" in driver.stderr


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="Ray 2.60 reads who calls before it asks for the token"
)
@pytest.mark.parametrize("running", ["cluster up"], indirect=True)
def test_a_strangers_call_does_not_end_the_head(running: Running):
    gcs = next(process for process in running.processes if process.name() == "gcs_server")
    port = next(iter(listeners([gcs])))[1]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary(SYNC)(b"", timeout=30)
    died, _ = psutil.wait_procs([gcs], timeout=5)
    assert died == []
