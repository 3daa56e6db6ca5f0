"""A command killed in the middle of its work, with all that it had started."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = [int(child) for child in children.read_text().split()]
        except OSError:
            continue
        found += [each for child in pids for each in (child, *descendants(child))]
    return found


def killed(words: list[str], environment: dict[str, str], log: Path, when: Callable[[], bool]) -> None:
    """Start `rnalearner`, and SIGKILL the whole group and all it started once `when` says so."""
    command = [sys.executable, "-m", "jobs.cli", *words]
    with log.open("w") as file:
        started = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=file, stderr=file, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 300
            while not when():
                assert started.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            ours = descendants(started.pid)
            os.killpg(started.pid, signal.SIGKILL)
            for pid in ours:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            started.wait()
    for folder in Path(environment["TMPDIR"]).glob("rl-*"):  # of the Ray that was killed
        shutil.rmtree(folder, ignore_errors=True)
