"""What a command leaves of itself, however it ends: real processes, really killed."""

import hashlib
import json
import math
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs.record import last_attempt, next_attempt, recorded
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from tests.jobs.recorded_toy import PHASES

ROOT = Path(__file__).resolve().parents[2]
Toy = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(tmp_path / "run")


@pytest.fixture
def toy(layout: RunLayout, environment: dict[str, str]) -> Iterator[Toy]:
    """Start a toy command on the run; what still lives at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: object, **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.jobs.recorded_toy", str(layout.root), *map(str, words)]
        env = environment | more.pop("env", {})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes, **more))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def events(layout: RunLayout, attempt: int = 1) -> list[dict[str, Any]]:
    """Every whole line; fails where one is not JSON, or not the next number."""
    text = layout.attempt(attempt).events.read_text()
    found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    assert [event["seq"] for event in found] == list(range(1, len(found) + 1))
    return found


def result(layout: RunLayout, attempt: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(layout.attempt(attempt).result.read_text())
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def begun(layout: RunLayout, attempt: int = 1) -> Callable[[], bool]:
    return layout.attempt(attempt).heartbeat.exists


def test_a_command_that_ends_well_says_so_and_names_what_it_made(toy: Toy, layout: RunLayout):
    layout.root.mkdir()
    layout.recipe.write_text("{}")
    _, told = toy("well").communicate()
    assert told == ""
    kinds = [(event["kind"], event["data"]) for event in events(layout)]
    assert [kind for kind, _ in kinds] == ["started", "phase", "ended"]
    assert kinds[0][1]["verb"] == "toy"
    assert kinds[1][1] == {"name": "toy", "state": "done", "seconds": 1.5, "figures": {"n": 3}}
    assert kinds[2][1] == {"status": "SUCCEEDED", "cause": None, "error": None}
    found = result(layout)
    files = {file["path"]: file for file in found.pop("files")}
    assert sorted(files) == ["toy/more/deep/a.bin", "toy/table.csv"]
    content = b"table.csv" * 10
    assert files["toy/table.csv"]["bytes"] == len(content)
    assert files["toy/table.csv"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert found.pop("ended") - found.pop("begun") == pytest.approx(found.pop("seconds"), abs=0.01)
    assert found == {
        "attempt": 1,
        "verb": "toy",
        "status": "SUCCEEDED",
        "cause": None,
        "error": None,
        "recipe_sha256": hashlib.sha256(b"{}").hexdigest(),
        "figures": {"toy": {"n": 3}},
    }


@pytest.mark.parametrize(
    ("how", "cause", "error"),
    [
        ("input", "user", ["t.csv, gene G1", "holds -3", "give raw counts"]),
        ("leak", "user", ["test", "was seen", "allow it"]),
        ("cluster", "system", ["Ray", "is gone", "start it"]),
        ("fault", "system", ["toy", "failed with ValueError (a fault of ours)", None]),
    ],
)
def test_a_failure_says_whose_it_is_to_mend(toy: Toy, layout: RunLayout, how: str, cause: str, error: list):
    _, told = toy(how).communicate()
    found = result(layout)
    assert (found["status"], found["cause"]) == ("FAILED", cause)
    where, what, remedy = error
    assert (found["error"]["where"], found["error"]["what"]) == (where, what)
    assert found["error"]["remedy"] == remedy or remedy is None
    assert events(layout)[-1]["data"]["error"] == found["error"]
    assert "Traceback" in told, "what we did not expect is told where it can be mended"


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_asked_to_stop_says_that_it_stopped(toy: Toy, layout: RunLayout, asked):
    process = toy("sleep")
    wait_for(begun(layout))
    process.send_signal(asked)
    process.communicate(timeout=30)
    found = result(layout)
    assert (found["status"], found["cause"], found["error"], found["files"]) == ("STOPPED", None, None, [])


def test_a_killed_command_leaves_readable_events_and_no_result(toy: Toy, layout: RunLayout):
    process = toy("tell")
    events_file = layout.attempt(1).events
    wait_for(events_file.exists)
    seen = 0
    while seen < 500:  # a reader beside the writer
        seen, before = len(events(layout)), seen
        assert seen >= before
    process.kill()
    process.communicate()
    assert len(events(layout)) >= seen
    assert not layout.attempt(1).result.exists()


def test_a_result_is_whole_or_not_there_whenever_its_command_is_killed(toy: Toy, layout: RunLayout):
    """Killed while the files are hashed, the result is written, or just after."""
    whole = 0
    for attempt, delay_s in enumerate((0, 0.005, 0.01, 0.02, 0.04, 0.08), start=1):
        process = toy("large")
        table = layout.phase("toy") / "table.csv"
        wait_for(table.exists)
        time.sleep(delay_s)
        process.kill()
        process.communicate()
        if layout.attempt(attempt).result.exists():
            assert result(layout, attempt)["status"] == "SUCCEEDED"
            whole += 1
        events(layout, attempt)
        subprocess.run(["rm", "-r", layout.phase("toy")], check=True)
    assert whole < 6, "none was killed in time to tell"


def test_a_label_is_told_at_most_twice_a_second_and_its_last_word_always(layout: RunLayout):
    shown: list[int] = []
    with recorded(layout, "toy", PHASES) as record:
        progress = record.progress(lambda label, done, *more: shown.append(done))
        for done in range(500):
            progress("steps", done, 1000, f"at {done}", {"loss": 1 / (done + 1), "gone": math.nan})
        progress("other", 1, 1)
    told = [event["data"] for event in events(layout) if event["kind"] == "progress"]
    steps = [data for data in told if data["label"] == "steps"]
    assert shown == [*range(500), 1]
    assert len(steps) <= 3
    assert steps[0] == {"label": "steps", "done": 0, "total": 1000, "note": "at 0", "figures": {"loss": 1.0}}
    assert steps[-1]["done"] == 499
    assert {"label": "other", "done": 1, "total": 1, "note": ""} in told


def test_the_heart_beats_while_the_command_lives(toy: Toy, layout: RunLayout):
    process = toy("sleep")
    heartbeat = layout.attempt(1).heartbeat
    wait_for(heartbeat.exists)
    wait_for(lambda: json.loads(heartbeat.read_text())["beat"] >= 2)
    assert abs(json.loads(heartbeat.read_text())["at"] - time.time()) < 5
    process.kill()


def test_a_job_that_sees_a_later_attempt_ends_itself_and_a_persons_command_does_not(
    toy: Toy, layout: RunLayout
):
    own = toy("sleep")
    wait_for(begun(layout, 1))
    job = toy("sleep", 7)
    wait_for(begun(layout, 7))
    layout.attempt(8).root.mkdir()
    job.communicate(timeout=10)
    found = result(layout, 7)
    assert (found["status"], found["cause"]) == ("STOPPED", None)
    assert "attempt 8" in found["error"]["what"]
    assert own.poll() is None
    late = toy("sleep", 3)
    late.communicate(timeout=10)
    assert result(layout, 3)["status"] == "STOPPED"


def test_an_attempt_is_one_process_alone(toy: Toy, layout: RunLayout):
    toy("well", 4).communicate()
    before = layout.attempt(4).events.read_bytes()
    with pytest.raises(RecipeError, match="has begun before"), recorded(layout, "toy", PHASES, 4):
        raise AssertionError("it must not run")
    assert layout.attempt(4).events.read_bytes() == before
    assert last_attempt(layout) == 4


def test_commands_that_start_at_once_take_numbers_of_their_own(layout: RunLayout):
    (layout.attempts / "notes").mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: next_attempt(layout), range(40)))
    assert sorted(numbers) == list(range(1, 41))


def test_a_full_disk_leaves_no_half_line(toy: Toy, layout: RunLayout):
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    _, told = toy("tell", preexec_fn=little_room).communicate(timeout=30)
    assert "OSError" in told
    text = layout.attempt(1).events.read_text()
    assert text.endswith("\n")
    assert 4000 < len(text) <= 5000
    assert len(events(layout)) > 10


def test_a_job_of_rays_keeps_what_it_prints(toy: Toy, layout: RunLayout):
    printed, told = toy("fault", env={"RAY_JOB_CONFIG_JSON_ENV_VAR": "{}"}).communicate()
    assert printed == f"The log goes on in {layout.attempt(1).log}\n"
    assert told == ""
    kept = layout.attempt(1).log.read_text()
    assert kept.startswith("it begins\n")
    assert kept.rstrip().endswith("with details")


COUNTS = "gene,S1,S2,S3\n" + "".join(f"ENSMUSG{g:011d},{g + 5},{2 * g + 3},{g + 9}\n" for g in range(40))
RECIPE = """
name = "own"
preprocessing = { min_expressed_genes = 1 }
data = { source = "tables", tables = [{ study = "mine", path = "counts.csv" }] }
"""


def test_every_verb_records_itself_and_what_its_phases_deliver(cli, tmp_path: Path, layout: RunLayout):
    (tmp_path / "own.toml").write_text(RECIPE)
    (tmp_path / "counts.csv").write_text(COUNTS.replace(",9\n", ",-9\n", 1))
    assert cli("ingest", "own.toml", "--out", "run", cwd=tmp_path).returncode == 3
    found = result(layout, 1)
    assert (found["verb"], found["status"], found["cause"]) == ("ingest", "FAILED", "user")
    assert "negative" in found["error"]["what"]
    (tmp_path / "counts.csv").write_text(COUNTS)
    for attempt, state in ((2, "done"), (3, "complete")):
        done = cli("ingest", "own.toml", "--out", "run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = result(layout, attempt)
        assert [file["path"] for file in found["files"]] == ["ingest/studies.json"]
        assert found["figures"]["ingest"]["samples"] == 3
        assert found["recipe_sha256"] == hashlib.sha256(layout.recipe.read_bytes()).hexdigest()
        states = [event["data"]["state"] for event in events(layout, attempt) if event["kind"] == "phase"]
        assert states == (["running", "done"] if state == "done" else ["complete"])
    assert not layout.attempt(2).log.exists()


def test_a_job_records_even_a_recipe_that_cannot_be_read(cli, tmp_path: Path, layout: RunLayout):
    done = cli("ingest", "absent.toml", "--out", "run", "--attempt", 2, cwd=tmp_path)
    assert done.returncode == 3
    assert result(layout, 2)["error"]["where"] == "absent.toml"
    assert cli("ingest", "absent.toml", "--out", "other", cwd=tmp_path).returncode == 3
    assert not (tmp_path / "other").exists(), "a person's slip leaves nothing"
