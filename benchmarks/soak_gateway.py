"""The gateway under soak, a process of its own with a home, a data folder and temporary files of its own.

What belongs to it is found by descent from it, by its Ray's mark, or by the home that all inherit: never by
a name on the host.
"""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.loopback import OPENED
from cluster.processes import MARK
from service.client import GatewayClient
from service.settings import Settings

MIB = 2**20
END_S = 60.0
"""A gateway that was asked to end has so long."""
_LOCKS = (".lock",)
"""Hidden files that are there for as long as the data folder."""


@dataclass(frozen=True)
class Sample:
    """How the gateway stood at one moment."""

    minute: float
    rss_mb: float
    pss_mb: float
    fds: int
    threads: int
    below: int
    """Processes that descend from it: Ray, jobs, readers of uploads."""
    zombies: int
    """Of those; one that waits for its parent only for a moment is not counted."""
    scratch: int
    """Hidden files and folders in the data folder: uploads under way, files being written."""
    tmp: int
    """Files and folders at the top of its TMPDIR."""
    rays: int
    """Sessions of Ray in there."""


class SoakedGateway:
    """`rnalearner serve` with a Ray of its own, in `folder`; what it prints goes to `log`."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.settings = folder, Settings(data=folder / "data")
        self.tmp, self.access_log = folder / "tmp", folder / "access.jsonl"
        self._home, self._dead_before = folder / "home", set[tuple[int, float]]()
        for made in (self.tmp, self._home):
            made.mkdir(mode=0o700)
        options = ["--port", 0, "--num-cpus", 2, "--max-running", 2, "--access-log", self.access_log]
        words = ["serve", "--json", "--data", self.settings.data, *options]
        with log.open("w") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobs.cli", *map(str, words)],
                env=self.environment(),
                stdout=subprocess.PIPE,
                stderr=printed,
                text=True,
            )
        assert self.process.stdout is not None
        announced = self.process.stdout.readline()
        if not announced:
            raise SystemExit(f"the gateway did not start; see {log}")
        self.url: str = json.loads(announced)["url"]
        self.key: str = tomllib.loads(Path(json.loads(announced)["first_key"]).read_text())["key"]
        self._seen = psutil.Process(self.process.pid)

    def environment(self) -> dict[str, str]:
        """Of the gateway, and of whatever else is to be found by its home."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RNALEARNER_"))
        }
        kept.pop("XDG_CONFIG_HOME", None)
        own = {"HOME": str(self._home), "TMPDIR": str(self.tmp), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
        return kept | own

    def client(self) -> GatewayClient:
        """A client with connections of its own."""
        return GatewayClient(self.url, self.key)

    def sample(self, minute: float) -> Sample:
        with self._seen.oneshot():
            memory = self._seen.memory_full_info()
            below = self._seen.children(recursive=True)
            dead = {(one.pid, one.create_time()) for one in below if _status(one) == psutil.STATUS_ZOMBIE}
            waiting, self._dead_before = dead & self._dead_before, dead
            return Sample(
                minute=round(minute, 2),
                rss_mb=round(memory.rss / MIB, 1),
                pss_mb=round(memory.pss / MIB, 1),
                fds=self._seen.num_fds(),
                threads=self._seen.num_threads(),
                below=len(below),
                zombies=len(waiting),
                scratch=len(self._hidden()),
                tmp=len(list(self.tmp.iterdir())),
                rays=len(list(self.tmp.glob(f"*/{OPENED}/session_[0-9]*"))),
            )

    def victims(self, kind: str) -> list[psutil.Process]:
        """Living processes of one kind: driver (of a job), worker (of Ray), reader (of an upload), head."""
        if kind == "reader":
            below = self._seen.children(recursive=True)
            return [one for one in below if "jobs.validate" in _words(one)]
        wanted = {"driver": _is_driver, "worker": _is_worker, "head": _is_head}[kind]
        return [one for one in self._marked() if wanted(_words(one))]

    def stop(self) -> int:
        """SIGTERM, and after END_S SIGKILL; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(END_S)
        self.process.kill()
        return self.process.wait()

    def kill_rest(self) -> list[str]:
        """End what does not end by itself; their command lines."""
        _, left = psutil.wait_procs([one for one in psutil.process_iter() if self._is_ours(one)], END_S)
        found = [_words(one) for one in left]
        for one in left:
            with suppress(psutil.Error):
                one.kill()
        return [" ".join(words) for words in found]

    def leaked(self, known: set[str]) -> list[str]:
        """What should not lie there once it has stopped; `known`: ids of the datasets and jobs there are."""
        data = self.settings
        folders = [*data.uploads.glob("*/*"), *data.jobs.glob("*")]
        unknown = {path for path in folders if path.name not in known}
        found = unknown | set(self._hidden()) | set(self.tmp.iterdir())
        return sorted(str(path.relative_to(self.folder)) for path in found)

    def unexpected_5xx(self) -> int:
        """Answers that say that the gateway failed; 503 says that it, or Ray, is just starting."""
        statuses = [json.loads(line)["status"] for line in self.access_log.open()]
        return sum(status >= 500 and status != 503 for status in statuses)

    def _hidden(self) -> list[Path]:
        """In the data folder, topmost ones only."""
        found = []
        for place, folders, files in os.walk(self.settings.data):
            hidden = [name for name in (*folders, *files) if name.startswith(".") and name not in _LOCKS]
            found += [Path(place, name) for name in hidden]
            folders[:] = [name for name in folders if not name.startswith(".")]
        return found

    def _marked(self) -> Iterator[psutil.Process]:
        """Of its Ray, jobs included."""
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if Path(one.environ().get(MARK, "/")).is_relative_to(self.tmp):
                    yield one

    def _is_ours(self, one: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            return Path(one.environ().get("HOME", "/")).is_relative_to(self.folder)
        return False


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _status(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.status()
    return ""


def _is_driver(words: list[str]) -> bool:
    return "jobs.cli" in words


def _is_worker(words: list[str]) -> bool:
    """Not of Ray's agents, which a node cannot do without."""
    return bool(words) and words[0].startswith("ray::") and not words[0].endswith("Agent")


def _is_head(words: list[str]) -> bool:
    return "--head" in words
