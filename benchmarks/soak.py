"""A gateway in use for a long time, while what works for it is killed: does anything grow, stay or get lost?

    python -m benchmarks.soak [--minutes 45] [--every 10] [--jobs 300] [--at-once 20] [--out runs/soak]

The gateway is the real command with a Ray of its own; a lab (soak_stories.py) uploads good tables and bad
ones, and asks for JOBS jobs, evenly over MINUTES, but with AT_ONCE under way at most. Every EVERY seconds one
process is killed (soak_fire.py): the driver of a job, a worker of Ray, a reader of uploads, a client that
hangs on a job's events, now and then Ray's head. The gateway itself is not: it is what is measured.

A line a minute says how it stands; all samples, kills and lines of the gateway's log are in OUT. Printed
last, one JSON object. jobs: acknowledged ones; deleted: those that went with their dataset, as they should;
lost: neither ended nor deleted. rss, fds, threads: medians of the second ninth of the time (minutes 5 to 10
of 45) and of the last; before and after: with no story under way. zombies: processes below the gateway that
were dead in two samples in a row. leaked_files: once it was stopped, what lies in its TMPDIR, is hidden in
its data folder, or belongs to no dataset and no job. left_processes: its own that then still lived. faults:
stories that did not go as they should, printed before.
"""

import argparse
import csv
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.soak_fire import Fire, Streams
from benchmarks.soak_gateway import Sample, SoakedGateway
from benchmarks.soak_stories import KINDS, Notes, Story
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of
from service.client import Json
from service.schemas.jobs import TERMINAL

START_S = 180.0
"""Ray, started first, has so long."""
PATIENCE_S = 600.0
"""Where no story has ended for so long, those that are left are given up."""
REST_S = 60.0
"""When all is told, connections are let go of, and jobs that went with their dataset, in so long."""
ZERO = ("lost", "wrong_sha256", "unexpected_5xx", "zombies", "leaked_files", "left_processes", "faults")
"""However long it took."""
HEAD = "minute   jobs  told  kills  RSS MB  PSS MB   fds  threads  below  zombies  scratch  tmp  Rays"
LINE = (
    "{minute:6.1f} {jobs:6} {told:5} {kills:6} {rss_mb:7.1f} {pss_mb:7.1f} {fds:5} {threads:8} {below:6}"
    " {zombies:8} {scratch:8} {tmp:4} {rays:5}"
)


def begin_all(n: int, at_once: int, seconds: float, begin: Callable[[int], Story]) -> None:
    """`n` stories evenly over `seconds`, each in a thread of its own, however long it takes.

    While `at_once` are under way the next one waits: a queue that grows all the time is growth, too.
    """
    begun, room = time.monotonic(), threading.Semaphore(at_once)

    def tell(story: Story) -> None:
        with room:
            story.tell()

    for number in range(n):
        time.sleep(max(0.0, begun + seconds * number / n - time.monotonic()))
        with room:
            pass
        threading.Thread(target=tell, args=(begin(number),), daemon=True).start()


def endure(
    gateway: SoakedGateway, fire: Fire, notes: Notes, seconds: float, every_s: float
) -> tuple[list[Sample], list[dict[str, Any]]]:
    """A sample and a kill every `every_s`; a line a minute."""
    samples: list[Sample] = []
    kills: list[dict[str, Any]] = []
    begun = time.monotonic()
    print(HEAD, flush=True)
    while (at := time.monotonic() - begun) < seconds:
        samples.append(gateway.sample(at / 60))
        if len(samples) == 1 or int(samples[-1].minute) > int(samples[-2].minute):
            counts = {"jobs": len(notes.asked), "told": len(notes.told), "kills": len(kills)}
            print(LINE.format(**counts, **asdict(samples[-1])), flush=True)
        kind, pid = fire.kill(patience_s=every_s / 2)
        kills.append({"second": round(time.monotonic() - begun, 1), "kind": kind, "pid": pid})
        time.sleep(max(0.0, begun + every_s * len(samples) - time.monotonic()))
    return samples, kills


def wait_until(is_so: Callable[[], bool], seconds: float, mark: Callable[[], object] = lambda: None) -> None:
    """Until it is so, or for so long nothing of `mark` has changed."""
    since, before = time.monotonic(), mark()
    while not is_so() and time.monotonic() - since < seconds:
        time.sleep(0.5)
        if (seen := mark()) != before:
            since, before = time.monotonic(), seen


def outcomes(asked: dict[str, bool], ended: dict[str, Json]) -> dict[str, int]:
    """How the acknowledged jobs ended; `asked` says of each whether it was to go with its dataset."""
    kept = [ended.get(job) for job, deleted in asked.items() if not deleted]
    over = [job for job in kept if job is not None and job["status"] in TERMINAL]
    count = Counter((job["status"], job["cause"]) for job in over)
    return {
        "jobs": len(asked),
        "succeeded": count["SUCCEEDED", None],
        "failed_user": count["FAILED", "user"],
        "failed_system": count["FAILED", "system"],
        "stopped": count["STOPPED", None],
        "deleted": len(asked) - len(kept),
        "lost": len(kept) - len(over),
    }


def growth(samples: list[Sample]) -> dict[str, float]:
    """Medians of the second ninth of the samples and of the last, and of the memory how much it grew."""
    n = max(1, len(samples) // 9)
    found: dict[str, float] = {}
    for name in ("rss_mb", "fds", "threads"):
        start, end = (median(getattr(one, name) for one in part) for part in (samples[n:][:n], samples[-n:]))
        what, unit = name.removesuffix("_mb"), "_mb" if name.endswith("_mb") else ""
        found |= {f"{what}_start{unit}": start, f"{what}_end{unit}": end}
    found["rss_growth_pct"] = round(100 * (found["rss_end_mb"] / found["rss_start_mb"] - 1), 2)
    return found


def wrong_files(jobs: Path, ended: dict[str, Json]) -> int:
    """Files of succeeded jobs that are not, on the disk, what their manifest says."""
    wrong = 0
    for job in ended.values():
        if job["status"] == "SUCCEEDED":
            run = RunLayout(jobs / job["id"])
            files = json.loads(run.attempt(job["attempt"]).result.read_text())["files"]
            wrong += sum(sha256_of(run.root / file["path"]) != file["sha256"] for file in files)
    return wrong


def soak(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    gateway, notes = SoakedGateway(folder, asked.out / "gateway.log"), Notes()
    streams = Streams(gateway)
    try:
        wait_until(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 200, START_S)

        def story(number: int) -> Story:
            rng = random.Random(f"{asked.seed} {number}")
            own = folder / "lab" / str(number)
            return Story(number, rng.choice(KINDS), rng, gateway.client(), notes, streams.hang, own)

        before, seconds = gateway.sample(0), 60 * asked.minutes
        threading.Thread(
            target=begin_all, args=(asked.jobs, asked.at_once, seconds, story), daemon=True
        ).start()
        fire = Fire(gateway, streams, random.Random(asked.seed))
        samples, kills = endure(gateway, fire, notes, seconds, asked.every)
        wait_until(lambda: len(notes.told) == asked.jobs, PATIENCE_S, lambda: len(notes.told))
        streams.close()
        gone = [gateway.settings.jobs / job for job, deleted in notes.asked.items() if deleted]
        wait_until(lambda: not any(path.exists() for path in gone), REST_S)
        wait_until(lambda: False, REST_S / 4, lambda: gateway.sample(0).fds)  # until it is at rest
        after = gateway.sample(asked.minutes)
        with gateway.client() as client:
            ended = {job["id"]: job for job in client.pages("/v1/jobs")}
            known = {*ended, *(dataset["id"] for dataset in client.pages("/v1/datasets"))}
    finally:
        streams.close()
        code = gateway.stop()
        left = gateway.kill_rest()
    leaked = gateway.leaked(known)
    faults = [*notes.faults, *[f"the gateway ended with {code}"][: code != 0]]
    keep(
        asked.out, samples=[asdict(one) for one in samples], kills=kills, leaked=[{"path": p} for p in leaked]
    )
    for fault in (*faults, *left):
        print(fault)
    return {
        "minutes": asked.minutes,
        "kills": sum(fire.by_kind.values()),
        "kills_by_kind": fire.by_kind,
        **outcomes(notes.asked, ended),
        "wrong_sha256": notes.wrong_sha256 + wrong_files(gateway.settings.jobs, ended),
        "unexpected_5xx": gateway.unexpected_5xx(),
        **growth(samples),
        **{f"{name}_before": getattr(before, name) for name in ("fds", "threads")},
        **{f"{name}_after": getattr(after, name) for name in ("rss_mb", "fds", "threads")},
        "zombies": sum(one.zombies for one in samples),
        "leaked_files": len(leaked),
        "left_processes": len(left),
        "faults": len(faults),
    }


def keep(out: Path, **tables: list[dict[str, Any]]) -> None:
    """Each table as OUT/<name>.csv."""
    for name, rows in tables.items():
        with (out / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["nothing"])
            writer.writeheader()
            writer.writerows(rows)


def main() -> int:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--every", type=float, default=10, help="seconds from one kill to the next")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=20, help="stories under way")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    # A short path: Ray's sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="rls-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        figures = soak(asked, Path(folder))
    print(json.dumps(figures))
    return 0 if not any(figures[name] for name in ZERO) else 1


if __name__ == "__main__":
    sys.exit(main())
