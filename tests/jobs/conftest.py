"""The command line as its users start it: a process of its own, with a home of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def own_temporary() -> Iterator[Path]:
    """A folder whose path is short enough for Ray's sockets, and ours alone: what names it is ours."""
    folder = Path(tempfile.mkdtemp(prefix="rlt-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def environment(own_temporary: Path) -> dict[str, str]:
    """Neither the user's home and Ray, nor a terminal's width and colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RNALEARNER_"))}
    (own_temporary / "home").mkdir()
    return kept | {
        "HOME": str(own_temporary / "home"),
        "TMPDIR": str(own_temporary),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="session")
def cli(environment: dict[str, str]) -> Cli:
    """Run `rnalearner` with these words in a folder; returns what it printed and its exit code."""

    def run(*words: object, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobs.cli", *map(str, words)]
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run
