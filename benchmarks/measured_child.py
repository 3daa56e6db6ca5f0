"""A command in a process of its own: how long it took, and the most memory that its process tree had."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[1]
EVERY_S = 0.5
GIB = 2**30


class Cost(NamedTuple):
    """What a child took; `returncode` is negative where a signal ended it."""

    seconds: float
    peak_gib: float
    returncode: int


def tree_pss(pid: int) -> int:
    """Bytes of a process and all below it; what several of them share counts once."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
    return total


def cost_of(
    arguments: Sequence[str | Path],
    log: Path,
    stop: Callable[[], bool] = lambda: False,
    limit_gib: float = float("inf"),
) -> Cost:
    """Run `python ARGUMENTS` from the repository's root; it says what it says in `log`.

    It is killed (SIGKILL, with all below it) as soon as `stop` is true, or it takes more than `limit_gib`.
    """
    # Ended from outside, it leaves no child behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    log.parent.mkdir(parents=True, exist_ok=True)
    begun, peak = time.monotonic(), 0
    with log.open("a") as said:
        child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=said, stderr=said)
        try:
            while child.poll() is None:
                peak = max(peak, tree_pss(child.pid))
                if stop() or peak > limit_gib * GIB:
                    break
                with suppress(subprocess.TimeoutExpired):
                    child.wait(EVERY_S)
        finally:
            _kill(child)
    return Cost(time.monotonic() - begun, peak / GIB, child.wait())


def must(cost: Cost, log: Path) -> Cost:
    """`cost`, or an end with the child's last words where it failed."""
    if cost.returncode:
        last = "\n".join(log.read_text().splitlines()[-5:])
        sys.exit(f"{log}: ended with {cost.returncode}\n{last}")
    return cost


def rounded(value: Any) -> Any:
    """Figures to four places, however deep they lie."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(float(value), 4) if isinstance(value, float) else value


def _kill(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        below = psutil.Process(child.pid).children(recursive=True)
        for process in [child, *below]:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
