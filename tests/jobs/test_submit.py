"""`rnalearner submit`: the same verb, on somebody's cluster, with the same end as here."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rnalearner.layout import RunLayout

pytestmark = pytest.mark.ray

Cli = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
COUNTS = "gene,S1,S2,S3\n" + "".join(f"ENSMUSG{g:011d},{g + 5},{2 * g + 3},{g + 9}\n" for g in range(40))
RECIPE = """
name = "own"
preprocessing = { min_expressed_genes = 1 }
data = { source = "tables", tables = [{ study = "mine", path = "counts.csv" }] }
"""


@pytest.fixture(scope="module")
def address(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster with a token, of another process."""
    folder = tmp_path_factory.mktemp("cluster")
    words = [sys.executable, "-m", "tests.cluster.head_of_a_gateway", str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=ROOT, env=environment, text=True, **pipes) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        yield cluster.stdout.readline().strip()
        cluster.stdin.close()
        cluster.wait(timeout=40)
    assert cluster.returncode == 0


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a recipe and its table, named as a person names it: relative."""
    (tmp_path / "own.toml").write_text(RECIPE)
    (tmp_path / "counts.csv").write_text(COUNTS)
    return tmp_path


def result(run: Path, attempt: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RunLayout(run).attempt(attempt).result.read_text())
    return found


def test_a_submitted_verb_ends_as_it_does_here(cli: Cli, address: str, here: Path):
    own = cli("ingest", "own.toml", "--out", "own", cwd=here)
    done = cli("submit", "ingest", "own.toml", "--address", address, "--wait", cwd=here)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[0].startswith("own-")
    assert told[0].endswith("-1")
    assert told[1:] == own.stdout.splitlines()
    # Not every line: what lasts less than half a second is shown or not, as it comes.
    ends = {line for line in own.stderr.splitlines() if line.startswith("studies") and "done" in line}
    assert ends
    assert set(done.stderr.splitlines()) >= ends
    run = RunLayout(here / "runs" / "own")
    assert json.loads(run.recipe.read_text())["data"]["root"] == str(here)
    assert run.attempt(1).log.exists()
    assert [file["path"] for file in result(run.root)["files"]] == ["ingest/studies.json"]


def test_without_waiting_it_prints_the_id_and_a_later_one_is_another_attempt(
    cli: Cli, address: str, here: Path
):
    done = cli("submit", "ingest", "own.toml", "--address", address, "--out", "run", "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first = json.loads(done.stdout)
    assert first == {"id": first["id"], "attempt": 1, "out": str(here / "run")}
    wait_for(RunLayout(here / "run").attempt(1).result)
    words = ("--address", address, "--out", "run", "--wait", "--json")
    again = json.loads(cli("submit", "ingest", *words, cwd=here).stdout)
    assert (again["attempt"], again["id"] != first["id"]) == (2, True)
    assert again["result"]["status"] == "SUCCEEDED"
    phases = [json.loads(line) for line in RunLayout(here / "run").attempt(2).events.read_text().splitlines()]
    assert "complete" in [event["data"].get("state") for event in phases]


def test_a_users_fault_is_told_as_it_is_here(cli: Cli, address: str, here: Path):
    (here / "counts.csv").write_text(COUNTS.replace(",9\n", ",-9\n", 1))
    own = cli("ingest", "own.toml", "--out", "own", cwd=here)
    done = cli("submit", "ingest", "own.toml", "--address", address, "--out", "run", "--wait", cwd=here)
    assert (own.returncode, done.returncode) == (3, 3)
    sentence = own.stderr.splitlines()[-1].removeprefix("error: ")
    assert done.stderr.splitlines()[-1] == f"error: {here / sentence}"


def wait_for(path: Path, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.05)


def test_a_job_that_died_is_told_while_waiting(
    cli: Cli, address: str, here: Path, environment: dict[str, str]
):
    words = ["submit", "ingest", "--data.simulation.n_studies", "5000", "--address", address]
    waiting = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", *words, "--out", "run", "--wait"],
        cwd=here,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    attempt = RunLayout(here / "run").attempt(1)
    wait_for(attempt.heartbeat)
    os.kill(json.loads(attempt.events.read_text().splitlines()[0])["data"]["pid"], signal.SIGKILL)
    _, told = waiting.communicate(timeout=40)
    assert waiting.returncode == 1
    assert "died without a result (Ray says FAILED of it" in told.splitlines()[-1]
    assert not attempt.result.exists()


def test_a_cluster_that_is_not_there_is_one_sentence_and_nothing_is_written(cli: Cli, here: Path):
    begun = time.monotonic()
    done = cli("submit", "ingest", "own.toml", "--address", "http://127.0.0.1:9", "--out", "run", cwd=here)
    assert time.monotonic() - begun < 10
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: Ray at http://127.0.0.1:9: does not answer")
    assert not (here / "run").exists()


def test_a_word_that_is_no_verb_is_refused(cli: Cli, here: Path):
    done = cli("submit", "nonsense", "own.toml", "--address", "http://127.0.0.1:9", cwd=here)
    assert done.returncode == 3
    assert "nonsense: is no verb" in done.stderr
