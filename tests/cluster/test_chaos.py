"""Scouting under fire (benchmarks/chaos.py): what dies, and when, must not show in what is learned."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def under_fire(kills: int) -> dict[str, Any]:
    """The benchmark's figures; its own Ray, in this session's home, ends with it."""
    words = [sys.executable, "-m", "benchmarks.chaos", "--kills", str(kills)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout, ended.stderr[-3000:]
    figures: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return figures


def unharmed(figures: dict[str, Any], kills: int) -> None:
    assert figures["kills"] == kills
    assert figures["guide_equal"]
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert figures["new_attempts"] > kills / 5  # scouts really were among the killed


@pytest.mark.ray
def test_twenty_kills_of_scouts_guide_and_raylets_change_no_bit_and_lose_nothing():
    unharmed(under_fire(20), 20)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_do_not_either():
    unharmed(under_fire(200), 200)
