"""A gateway under soak (benchmarks/soak.py): here for a minute, and what it counts."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.soak import ZERO, growth, outcomes
from benchmarks.soak_gateway import Sample

ROOT = Path(__file__).parents[2]


def test_every_acknowledged_job_is_counted_once_and_one_that_did_not_end_is_lost() -> None:
    asked = {
        "good": False,
        "bad": False,
        "called off": False,
        "gone": True,
        "hanging": False,
        "unknown": False,
    }
    ended = {
        "good": {"status": "SUCCEEDED", "cause": None},
        "bad": {"status": "FAILED", "cause": "system"},
        "called off": {"status": "STOPPED", "cause": None},
        "hanging": {"status": "RUNNING", "cause": None},
    }
    found = outcomes(asked, ended)
    assert found == {
        "jobs": 6,
        "succeeded": 1,
        "failed_user": 0,
        "failed_system": 1,
        "stopped": 1,
        "deleted": 1,
        "lost": 2,
    }


def test_growth_is_from_the_second_ninth_to_the_last_whatever_happened_between() -> None:
    calm = Sample(0, 100.0, 90.0, 20, 6, 30, 0, 0, 1, 1)
    middle = [replace(calm, rss_mb=500.0, fds=99)] * 10
    samples = (
        [replace(calm, rss_mb=1.0)] * 2 + [calm] * 2 + middle + [replace(calm, rss_mb=103.0, fds=21)] * 4
    )
    found = growth(samples)
    assert (found["rss_start_mb"], found["rss_end_mb"], found["rss_growth_pct"]) == (100.0, 103.0, 3.0)
    assert (found["fds_start"], found["fds_end"]) == (20, 21)
    assert (found["threads_start"], found["threads_end"]) == (6, 6)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_minute_with_a_kill_every_six_seconds_loses_and_leaves_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.soak", "--minutes", "1", "--every", "6", "--jobs", "7"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*words, "--out", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout, ended.stderr[-3000:]
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert {name: figures[name] for name in ZERO} == dict.fromkeys(ZERO, 0), ended.stdout
    assert figures["jobs"] == 7
    assert 8 <= figures["kills"] <= 10
    assert sum(figures["kills_by_kind"].values()) == figures["kills"]
