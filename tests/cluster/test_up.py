"""A cluster of several nodes on this machine: up, seen, used, found half dead, and gone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cluster.processes import RayProcesses, StartedRay, marked
from cluster.submission import RayJobs
from cluster.up import LocalCluster, shares

RECIPE = """
name = "own"
preprocessing = {{ min_expressed_genes = 1 }}
data = {{ source = "tables", tables = [{{ study = "mine", path = "{path}" }}] }}
"""
COUNTS = "gene,S1,S2,S3\n" + "".join(f"ENSMUSG{g:011d},{g + 5},{2 * g + 3},{g + 9}\n" for g in range(40))
SMALL = ("--cpus-per-worker", "1", "--object-store-mb", "100")


def rnalearner(*words: object) -> subprocess.CompletedProcess[str]:
    """A command as a person gives it."""
    command = [sys.executable, "-m", "jobs.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


def started(folder: Path) -> StartedRay:
    found = RayProcesses(folder).remembered()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder of a cluster with two workers, and what its start said; the command has ended."""
    folder = tmp_path_factory.mktemp("cluster")
    done = rnalearner("cluster", "up", "--workers", 2, *SMALL, "--folder", folder, "--json")
    assert done.returncode == 0, done.stderr
    yield folder, json.loads(done.stdout)
    LocalCluster(folder).down()


@pytest.mark.ray
def test_it_outlives_its_command_and_another_one_sees_all_of_it(up: tuple[Path, dict[str, Any]]):
    folder, said = up
    seen = rnalearner("cluster", "status", "--folder", folder, "--json")
    assert seen.returncode == 0, seen.stderr
    found = json.loads(seen.stdout)
    assert found == said
    assert found["alive"] == len(found["pids"]) == 3
    cpus = [node["resources"].get("CPU", 0) for node in found["nodes"] if node["alive"]]
    assert sorted(cpus) == [0, 1, 1]


@pytest.mark.ray
def test_where_one_is_up_another_is_refused(up: tuple[Path, dict[str, Any]]):
    folder, _ = up
    before = started(folder)
    refused = rnalearner("cluster", "up", "--folder", folder)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: {folder}: holds a cluster; ")
    assert refused.stderr.count("\n") == 1
    assert started(folder) == before


@pytest.mark.ray
def test_a_submitted_job_is_run_by_the_workers(up: tuple[Path, dict[str, Any]], tmp_path: Path):
    _, said = up
    (tmp_path / "counts.csv").write_text(COUNTS)
    (tmp_path / "own.toml").write_text(RECIPE.format(path=tmp_path / "counts.csv"))
    jobs = RayJobs(said["jobs_address"], python=sys.executable)
    words = ["ingest", str(tmp_path / "own.toml"), "--out", str(tmp_path / "run"), "--ray.address", "auto"]
    jobs.submit("trivial", words, tmp_path)
    while jobs.status("trivial") in ("PENDING", "RUNNING"):
        time.sleep(0.2)
    assert jobs.status("trivial") == "SUCCEEDED", jobs.logs("trivial")
    token = (Path.home() / ".ray" / "auth_token").read_text()
    tasks = httpx.get(
        f"{said['jobs_address']}/api/v0/tasks?detail=true", headers={"Authorization": f"Bearer {token}"}
    ).json()["data"]["result"]["result"]
    workers = {node["id"] for node in said["nodes"] if "CPU" in node["resources"]}
    assert {task["node_id"] for task in tasks if task["type"] == "NORMAL_TASK"} <= workers
    assert {task["state"] for task in tasks if task["type"] == "NORMAL_TASK"} == {"FINISHED"}


@pytest.mark.ray
def test_a_driver_of_this_host_joins_by_the_address_that_was_printed(
    up: tuple[Path, dict[str, Any]], tmp_path: Path
):
    _, said = up
    (tmp_path / "counts.csv").write_text(COUNTS)
    (tmp_path / "own.toml").write_text(RECIPE.format(path=tmp_path / "counts.csv"))
    words = ("ingest", tmp_path / "own.toml", "--out", tmp_path / "run", "--ray.address", said["ray_address"])
    done = rnalearner(*words)
    assert done.returncode == 0, done.stderr


@pytest.mark.ray
def test_a_second_one_lives_and_ends_beside_the_first(up: tuple[Path, dict[str, Any]], tmp_path: Path):
    folder, said = up
    beside = LocalCluster(tmp_path / "beside")
    try:
        other = beside.up(workers=1, cpus_per_worker=1, object_store_mb=100)
        own = started(beside.folder)
        assert not set(other.pids) & set(said["pids"])
    finally:
        done = rnalearner("cluster", "down", "--folder", beside.folder)
    assert done.stdout == f"The cluster of {beside.folder} is down.\n"
    assert marked(own) == []
    assert not Path(own.folder).exists()
    assert LocalCluster(folder).status().alive == 3


@pytest.mark.ray
def test_a_raylet_that_was_killed_is_told_and_down_leaves_nothing(up: tuple[Path, dict[str, Any]]):
    folder, said = up
    own = started(folder)
    assert said["pids"][0] == own.pid
    worker = psutil.Process(said["pids"][1])
    raylet = next(process for process in worker.children(recursive=True) if process.name() == "raylet")
    os.kill(raylet.pid, signal.SIGKILL)
    psutil.wait_procs([worker], timeout=30)
    told = rnalearner("cluster", "status", "--folder", folder)
    assert told.returncode == 1
    assert f"error: {folder}: 1 of 3 nodes died or did not join; " in told.stderr
    assert rnalearner("cluster", "down", "--folder", folder).returncode == 0
    assert marked(own) == []
    assert not Path(own.folder).exists()
    again = rnalearner("cluster", "down", "--folder", folder)
    assert (again.returncode, again.stdout) == (0, f"The cluster of {folder} was not up.\n")
    gone = rnalearner("cluster", "status", "--folder", folder)
    assert gone.returncode == 1
    assert gone.stderr.startswith(f"error: {folder}: no cluster is up; ")


@pytest.mark.ray
def test_a_start_that_is_broken_off_leaves_nothing(tmp_path: Path):
    command = [sys.executable, "-m", "jobs.cli", "cluster", "up", *SMALL, "--folder", str(tmp_path)]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as starting:
            while not (known := RayProcesses(tmp_path).remembered()) or len(marked(known)) < 2:
                assert starting.poll() is None
                time.sleep(0.05)
            starting.terminate()
            assert starting.wait(timeout=120) == 130
        assert marked(known) == []
        assert not Path(known.folder).exists()
        assert RayProcesses(tmp_path).remembered() is None
    finally:
        LocalCluster(tmp_path).down()


def test_gpus_are_dealt_to_the_workers_each_to_one():
    assert shares(["0", "1", "2"], 2) == [["0", "2"], ["1"]]
    assert shares([], 2) == [[], []]
