"""A command with nothing to do, for tests that kill it: `python -m tests.jobs.recorded_toy RUN HOW`."""

import os
import sys
import time
from pathlib import Path

from jobs.phase import Phase
from jobs.record import recorded
from rnalearner.errors import ClusterError, CountsError, LeakError
from rnalearner.layout import RunLayout
from rnalearner.publish import write_json

PHASES = {
    "toy": Phase("toy", (), lambda config: (), lambda *_: {}, delivers=("*.csv", "more/**/*", "phase.json"))
}
ERRORS = {
    "input": CountsError("t.csv, gene G1", "holds -3", "give raw counts"),
    "leak": LeakError("test", "was seen", "allow it"),
    "cluster": ClusterError("Ray", "is gone", "start it"),
    "fault": ValueError("a fault of ours\nwith details"),
}


def deliver(layout: RunLayout, size: int = 10) -> None:
    """The toy phase's files, those that are nobody else's business among them."""
    folder = layout.phase("toy")
    (folder / "more" / "deep").mkdir(parents=True)
    for name in ("table.csv", "more/deep/a.bin", "more/.hidden", ".half.csv", "state.bin", "started.json"):
        (folder / name).write_bytes(name.encode() * size)
    write_json(layout.marker("toy"), {})


def main(layout: RunLayout, how: str, attempt: int | None) -> None:
    with recorded(layout, "toy", PHASES, attempt) as record:
        progress = record.progress(lambda *told: None)
        sys.stdout.write("it begins\n")
        if how in ERRORS:
            raise ERRORS[how]
        if how == "sleep":
            time.sleep(60)
        if how == "tell":
            for step in range(20_000):
                time.sleep(0.0005)
                progress(f"label {step}", 0, 10, "x" * (step % 300), {"loss": 0.5})
        deliver(layout, size=1_000_000 if how == "large" else 10)
        record.phase("toy", "done", {"seconds": 1.5, "figures": {"n": 3}})


if __name__ == "__main__":
    os.umask(0o022)
    main(RunLayout(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
