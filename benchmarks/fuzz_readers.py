"""Tables changed at random, read as the jail's child reads an upload: a sentence each, or a report.

    python -m benchmarks.fuzz_readers --seconds 300 [--cases 1100000] [--workers 2] [--formats csv h5 parquet]

Of 22 cases one is h5, one Parquet, the others text. Workers read one after another in a process under the
child's limits; a worker that dies, or takes more than --patience seconds of a CPU, is replaced, and its case
kept in --keep with the cases that raised what is no sentence. Case NUMBER of a seed is the same each time,
so a run goes on where another ended: --first.

Printed last, one JSON object. other_exceptions: cases that the readers answered by an exception of a library.
over_memory: sentences that say so. crashes: workers that ended in the middle of a case.
"""

import argparse
import contextlib
import io
import json
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import Progress

from tests.hostile.mutations import FILES, case

_MEMORY_MIB = 4096
_CASES_A_PROCESS = 3000
_UNFORESEEN = re.compile(r"cannot be read \((\w+)\)$")
_FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "subprocess.Popen", "socket.connect")
_OUTCOMES = ("reports", "sentences", "other_exceptions", "over_memory", "over_time", "crashes")


def work(options: argparse.Namespace) -> None:
    """A worker: for each case a line with its number before it is read, and one with its outcome after."""
    from jobs.validate import validate

    said = sys.stdout
    sys.addaudithook(_refuse)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MIB * 2**20, _MEMORY_MIB * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    last = min(options.last, options.first + options.step * _CASES_A_PROCESS)
    for number in range(options.first, last, options.step):
        kind, body = case(options.seed, number, tuple(options.formats))
        table = options.folder / FILES[kind]
        table.write_bytes(body)
        said.write(f"{number} {kind}\n")
        said.flush()
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            answer = validate(table, None, None, None, "mine", options.folder)
        found: dict[str, str] = {"outcome": "reports"}
        if answer.problem is not None:
            unforeseen = _UNFORESEEN.search(answer.problem.what)
            found["outcome"] = "other_exceptions" if unforeseen else "sentences"
            if "more memory" in answer.problem.what:
                found["outcome"] = "over_memory"
            if unforeseen:
                found["traceback"] = errors.getvalue()[-4000:]
        said.write(json.dumps(found) + "\n")
        said.flush()


def _refuse(event: str, _arguments: Any) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} is not for an upload")


class Worker:
    """Cases `first`, `first + step`, ...: as many processes one after another as they need."""

    def __init__(self, first: int, options: argparse.Namespace, folder: Path) -> None:
        self._next, self._options, self._folder = first, options, folder
        self._kind, self._spent, self._waiting = "", 0.0, b""
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    def look(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Number, format and outcome of the cases that are done since the last look."""
        options = self._options
        if self._next >= options.cases + options.first:
            return []
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], 0.1)[0]:
            if self._kind and _cpu_s(self._process.pid) - self._spent > options.patience:
                return [self._lost("over_time", f"more than {options.patience:g} s")]
            return []
        piece = self._process.stdout.read1(2**16)
        if not piece:
            code = self._process.wait()
            if code == 0 and not self._kind:
                self._process = None  # it has read its share
                return []
            return [self._lost("crashes", f"exit code {code}")]
        *lines, self._waiting = (self._waiting + piece).split(b"\n")
        return [found for line in lines if (found := self._heard(line)) is not None]

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _heard(self, line: bytes) -> tuple[int, str, dict[str, Any]] | None:
        if not line.startswith(b"{"):
            assert self._process is not None
            self._kind, self._spent = line.split()[1].decode(), _cpu_s(self._process.pid)
            return None
        found = self._next, self._kind, json.loads(line)
        self._next, self._kind = self._next + self._options.workers, ""
        return found

    def _lost(self, outcome: str, why: str) -> tuple[int, str, dict[str, Any]]:
        self.stop()
        self._process, self._waiting = None, b""
        found = self._next, self._kind or "csv", {"outcome": outcome, "traceback": why}
        self._next, self._kind = self._next + self._options.workers, ""
        return found

    def _start(self) -> None:
        options = self._options
        words = ["--work", str(self._folder), "--first", str(self._next), "--step", str(options.workers)]
        words += ["--last", str(options.first + options.cases), "--seed", str(options.seed)]
        words += ["--formats", *options.formats]
        command = [sys.executable, "-m", "benchmarks.fuzz_readers", *words]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _cpu_s(pid: int) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def fuzz(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    begun, counts, faults = time.monotonic(), Counter[str](), Counter[str]()
    bar = progress.add_task("reading", total=options.cases)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as home:
        workers = [Worker(options.first + n, options, Path(home) / str(n)) for n in range(options.workers)]
        try:
            while sum(counts[f"{kind}_cases"] for kind in FILES) < options.cases:
                if options.seconds and time.monotonic() - begun > options.seconds:
                    break
                for number, kind, found in (done for worker in workers for done in worker.look()):
                    counts.update([f"{kind}_cases", found["outcome"]])
                    progress.update(bar, advance=1)
                    if "traceback" in found:
                        told = found["traceback"].strip()
                        fault = f"{kind}: {told.splitlines()[-1][:200]}"
                        faults[fault] += 1
                        if faults[fault] == 1:
                            _keep(options, number, told)
        finally:
            for worker in workers:
                worker.stop()
    for fault, number in faults.most_common():
        progress.console.print(f"{number:>6} x {fault}", markup=False, highlight=False)
    names = (*(f"{kind}_cases" for kind in FILES), *_OUTCOMES)
    return {**{name: counts[name] for name in names}, "seconds": round(time.monotonic() - begun, 1)}


def _keep(options: argparse.Namespace, number: int, told: str) -> None:
    if options.keep is not None:
        kind, body = case(options.seed, number, tuple(options.formats))
        folder = options.keep / f"{options.seed}-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / FILES[kind]).write_bytes(body)
        (folder / "told.txt").write_text(told + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, help="end after so long")
    parser.add_argument("--cases", type=int, default=1_100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--formats", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--patience", type=float, default=20)
    parser.add_argument("--keep", type=Path, help="folder for one case of every fault")
    parser.add_argument("--work", type=Path, dest="folder", help=argparse.SUPPRESS)
    parser.add_argument("--last", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--step", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        work(options)
        return
    # Ended from outside, it leaves no worker behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with Progress(console=Console(stderr=True)) as progress:
        found = fuzz(options, progress)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
