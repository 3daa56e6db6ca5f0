"""A Ray of the gateway's own: found again, replaced, closed to others, and gone when it is closed."""

import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from cluster.head import EmbeddedRay
from cluster.processes import MARK
from rnalearner.errors import ClusterError
from tests.cluster.conftest import Adopted
from tests.cluster.head_of_a_gateway import wait_until_up

pytestmark = pytest.mark.ray


def belonging(folder: str) -> list[psutil.Process]:
    """The living processes of a head: its folder is in their words or in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if folder in " ".join(process.cmdline()) or process.environ().get(MARK) == folder:
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def note(folder: Path) -> dict:
    found: dict = json.loads((folder / "ray.json").read_text())
    return found


def test_a_head_outlives_its_gateway_and_the_next_one_takes_it_over(adopted: Adopted):
    assert note(adopted.folder) == adopted.before
    assert psutil.pid_exists(adopted.before["pid"])
    assert adopted.before["started"] < time.time()
    adopted.ray.check()


def test_it_listens_where_no_other_ray_looks_and_its_dashboard_only_at_home(adopted: Adopted):
    ports = {
        (connection.laddr.ip, connection.laddr.port)
        for process in belonging(adopted.before["folder"])
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(ports) > 5
    assert not [port for _, port in ports if 10002 <= port < 20000 or port in (6379, 8265, 10001, 52365)]
    dashboard = int(adopted.before["address"].rpartition(":")[2])
    assert [ip for ip, port in ports if port == dashboard] == ["127.0.0.1"]


def test_its_token_is_ours_alone(adopted: Adopted):
    token = Path.home() / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) >= 32


def test_it_starts_in_the_background_and_may_be_closed_meanwhile(tmp_path: Path):
    begun = time.monotonic()
    ray = EmbeddedRay(tmp_path, num_cpus=1, object_store_mb=100)
    assert time.monotonic() - begun < 0.5
    for ask in (ray.check, ray.nodes, lambda: ray.status("a"), lambda: ray.submit("a", ["ingest"], tmp_path)):
        with pytest.raises(ClusterError, match="is starting"):
            ask()
    while not (tmp_path / "ray.json").exists():
        time.sleep(0.01)
    folder = note(tmp_path)["folder"]
    ray.close()
    assert belonging(folder) == []
    assert not Path(folder).exists()
    assert not (tmp_path / "ray.json").exists()


def test_a_head_that_died_is_replaced_and_closing_leaves_no_process(tmp_path: Path):
    with subprocess.Popen(["sleep", "600"]) as somebody:
        lost = {"folder": "/tmp/rl-gone", "address": "http://127.0.0.1:1", "agent": "", "started": 1.0}
        (tmp_path / "ray.json").write_text(json.dumps(lost | {"pid": somebody.pid}))
        ray = EmbeddedRay(tmp_path, num_cpus=1, object_store_mb=100)
        try:
            wait_until_up(ray)
            assert somebody.poll() is None, "its pid was another's by now"
            first = note(tmp_path)
            os.kill(first["pid"], signal.SIGKILL)
            while not (tmp_path / "ray.json").exists() or note(tmp_path)["folder"] == first["folder"]:
                time.sleep(0.05)
            wait_until_up(ray)
            assert belonging(first["folder"]) == []
            second = note(tmp_path)
            run = tmp_path / "run"
            ray.submit("long", ["ingest", "--out", str(run), "--data.simulation.n_studies", "5000"], run)
            while ray.status("long") != "RUNNING":
                time.sleep(0.05)
        finally:
            ray.close()
            somebody.kill()
    assert belonging(second["folder"]) == []
    with pytest.raises(ClusterError):
        ray.check()
