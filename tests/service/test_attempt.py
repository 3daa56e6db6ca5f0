"""What a job left is read with distrust."""

import json
from pathlib import Path
from typing import Any

import pytest

from rnalearner.layout import RunLayout
from service.jobs.attempt import read_beat, read_lines, read_manifest


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    run = RunLayout(tmp_path / "run")
    run.attempt(1).root.mkdir(parents=True)
    (run.root / "report").mkdir()
    (run.root / "report" / "page.html").write_bytes(b"12345")
    (tmp_path / "secret").write_bytes(b"12345")
    return run


def say(run: RunLayout, **result: Any) -> None:
    whole = {"attempt": 1, "status": "SUCCEEDED", "cause": None, "error": None, "files": []}
    run.attempt(1).result.write_text(json.dumps(whole | result))


def test_a_success_with_all_its_files_is_one(run: RunLayout) -> None:
    say(run, files=[{"path": "report/page.html", "bytes": 5, "sha256": "0" * 64}])
    manifest = read_manifest(run, 1)
    assert manifest is not None
    assert manifest.status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("path", "n_bytes"),
    [("report/page.html", 4), ("report/none.html", 5), ("../secret", 5), ("/etc/hostname", 5), ("report", 5)],
    ids=["other_size", "missing", "above_the_run", "absolute", "folder"],
)
def test_a_success_that_lacks_a_file_is_the_systems_failure(run: RunLayout, path: str, n_bytes: int) -> None:
    say(run, files=[{"path": path, "bytes": n_bytes, "sha256": "0" * 64}])
    manifest = read_manifest(run, 1)
    assert manifest is not None
    assert (manifest.status, manifest.cause) == ("FAILED", "system")
    assert manifest.error is not None
    assert manifest.error.where == path


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"attempt": 1}', '{"attempt": 1, "status": "RUNNING"}', "\xff", "[" * 100_000],
)
def test_garbage_is_no_result(run: RunLayout, text: str) -> None:
    run.attempt(1).result.write_text(text, encoding="latin-1")
    assert read_manifest(run, 1) is None


def test_the_result_of_another_attempt_is_none(run: RunLayout) -> None:
    say(run, attempt=2)
    assert read_manifest(run, 1) is None


@pytest.mark.parametrize(
    "text", ["", "7", '{"beat": "x"}', '{"beat": -1}', '{"beat": 1e99}', '{"beat": null}']
)
def test_garbage_is_no_heartbeat(run: RunLayout, text: str) -> None:
    run.attempt(1).heartbeat.write_text(text)
    assert read_beat(run.attempt(1)) is None


def test_half_a_line_waits_for_its_end(run: RunLayout) -> None:
    whole = json.dumps({"at": 1, "kind": "started", "data": {}}) + "\n"
    run.attempt(1).events.write_text(whole + whole[:9])
    lines, offset = read_lines(run.attempt(1), 0)
    assert (len(lines), offset) == (1, len(whole))
    run.attempt(1).events.write_text(whole + whole)
    lines, offset = read_lines(run.attempt(1), offset)
    assert (len(lines), offset) == (1, 2 * len(whole))
    assert read_lines(run.attempt(1), offset) == ([], offset)


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    assert read_manifest(run, 1) is None
    assert read_beat(run.attempt(1)) is None
    assert read_lines(run.attempt(1), 0) == ([], 0)
