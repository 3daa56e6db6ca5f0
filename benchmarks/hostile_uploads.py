"""Every hostile file of tests/hostile posted to a live gateway: what it answers, and what that costs.

    python -m benchmarks.hostile_uploads [--quick | --files N] [--at-once 2] [--kinds WORD ...]

The gateway is a process of its own with its own data, on a fake cluster. After each class an honest table
must get its report from the same process. Every tenth file is uploaded for good as well, and must become
REJECTED. A class is a row of the table; what was not answered as it should be is listed under it.

Printed last, one JSON object. not_4xx: answers that are no 4xx application/problem+json, or datasets that did
not become REJECTED. leaks: words from outside the jail in answers, and canaries that were touched.
mismatched_sentences: details that do not name the fault. slowest_s: as a sender waits, with --at-once others
before him. peak_child_mib: the most resident memory of any process below the gateway's.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from tests.hostile.corpus import QUICK, corpus, part
from tests.hostile.files import HostileFile
from tests.hostile.siege import Answer, Memory, Siege, besieged

_STORED_TOO = 10


@dataclass
class Class:
    """Answers to all files of one class."""

    kind: str
    posted: list[Answer] = field(default_factory=list)
    stored: list[Answer] = field(default_factory=list)
    peak_mib: int = 0
    unharmed: bool = True

    @property
    def answers(self) -> list[Answer]:
        return [*self.posted, *self.stored]

    @property
    def worst_s(self) -> float:
        return max(answer.seconds for answer in self.answers)


def besiege(
    siege: Siege,
    files: Iterable[HostileFile],
    at_once: int,
    honest_after: int = 1,
    progress: Progress | None = None,
) -> list[Class]:
    """Class by class; `files` are sorted by it. After so many classes, and last, comes an honest table."""
    found, files = [], list(files)
    bar = progress.add_task("posting", total=len(files)) if progress is not None else None
    number = 0

    def post(file: HostileFile) -> Answer:
        answer = siege.post(file)
        if progress is not None and bar is not None:
            progress.update(bar, advance=1, description=file.kind)
        return answer

    with Memory(siege.pid) as memory, ThreadPoolExecutor(at_once) as threads:
        for kind, members in groupby(files, key=lambda file: file.kind):
            one = Class(kind)
            of_class = list(members)
            one.posted = list(threads.map(post, of_class))
            one.stored = [
                siege.store(file) for place, file in enumerate(of_class, number) if place % _STORED_TOO == 0
            ]
            number += len(of_class)
            one.peak_mib = memory.take_mib()
            found.append(one)
            if len(found) % honest_after == 0:
                one.unharmed = siege.is_unharmed()
    found[-1].unharmed = siege.is_unharmed()
    return found


def figures(siege: Siege, classes: list[Class]) -> dict[str, Any]:
    answers = [answer for one in classes for answer in one.answers]
    return {
        "files": sum(len(one.posted) for one in classes),
        "classes": len(classes),
        "stored_too": sum(len(one.stored) for one in classes),
        "not_4xx": sum(not answer.refused for answer in answers),
        "leaks": sum(answer.leaks for answer in answers) + (not siege.canaries.unharmed()),
        "slowest_s": round(max(answer.seconds for answer in answers), 2),
        "peak_child_mib": max(one.peak_mib for one in classes),
        "mismatched_sentences": sum(not answer.names_the_fault for answer in answers),
        "honest_refused": sum(not one.unharmed for one in classes),
        "gateway_restarts": int(siege.has_restarted()),
    }


def shown(classes: list[Class]) -> Table:
    rows = Table("class", *("files", "4xx", "stored", "rejected", "median s", "worst s", "MiB", "named"))
    for one in classes:
        median_s = statistics.median(answer.seconds for answer in one.posted)
        numbers: tuple[float, ...] = (len(one.posted), sum(answer.refused for answer in one.posted))
        numbers += (len(one.stored), sum(answer.refused for answer in one.stored))
        named = sum(answer.names_the_fault for answer in one.answers)
        rows.add_row(
            one.kind,
            *map(str, numbers),
            f"{median_s:.1f}",
            f"{one.worst_s:.1f}",
            str(one.peak_mib),
            str(named),
        )
    return rows


def wrong(one: Answer) -> str | None:
    """What is not as it should be in an answer."""
    faults = {
        f"is answered by {one.status}": not one.refused,
        "leaks": one.leaks > 0,
        "is not named": not one.names_the_fault,
    }
    found = ", ".join(fault for fault, is_so in faults.items() if is_so)
    return f"{one.file.kind}, {one.file.name[:60]!r} {found}: {one.detail[:300]}" if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, help="so many, of every class in turn")
    parser.add_argument("--quick", action="store_const", const=QUICK, dest="files", help=f"{QUICK} files")
    parser.add_argument("--kinds", nargs="*", default=[], help="only classes whose name holds one of these")
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()
    # Ended from outside, it leaves no gateway behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(stderr=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 140)
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, besieged(Path(folder)) as siege:
        files = corpus(siege.canaries.folder)
        files = [
            file for file in files if not options.kinds or any(word in file.kind for word in options.kinds)
        ]
        files = part(files, options.files) if options.files else files
        with Progress(console=console) as progress:
            classes = besiege(siege, files, options.at_once, progress=progress)
        found = figures(siege, classes)
    console.print(shown(classes))
    for one in classes:
        for fault in filter(None, map(wrong, one.answers)):
            console.print(escape(fault), highlight=False)
    print(json.dumps(found))
    sys.exit(any(found[name] for name in ("not_4xx", "leaks", "gateway_restarts")))


if __name__ == "__main__":
    main()
