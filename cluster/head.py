"""A Ray of the gateway's own: a head on this machine, whose Jobs API only we may ask.

It outlives a gateway that was killed, so that the jobs go on; the next gateway finds it again. What
belongs to it (Ray's processes, the jobs' own) carries its folder's name in its environment: that,
not a pid that may be another's by now, says what may be ended.
"""

import json
import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import ray  # noqa: F401 - brings psutil along

# isort: split
import psutil

from cluster.local import ensure_private_token, short_folder
from cluster.submission import RayJobs, RayStatus
from rnalearner.errors import ClusterError, RnalearnerError
from rnalearner.publish import write_json

log = logging.getLogger(__name__)

START_S = 90.0
"""A head that does not answer so long after its start is ended."""
END_S = 10.0
"""Ray's own processes, and the jobs', get so long to end by themselves."""
AGAIN_S = 5.0
"""Between a start that failed and the next."""
WATCH_S = 0.5
MARK = "RNALEARNER_HEAD"
_LOOPBACK = "127.0.0.1"
_PORTS = (
    "port",
    "node-manager-port",
    "object-manager-port",
    "ray-client-server-port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
)
_OF_OTHERS = (range(10002, 20000), range(52365, 52366))
"""Where other Rays of this host look for ports: for their workers, and for every agent by default."""


@dataclass(frozen=True)
class _Head:
    """What ray.json says of a head; `pid` is null while it is being started."""

    folder: str
    address: str
    agent: str
    started: float
    pid: int | None = None


class EmbeddedRay:
    """A `service.submitter.JobSubmitter` on a head of its own, which it starts again where it dies.

    Making one returns at once; calls raise ClusterError until the head is up. `folder` remembers the
    head (ray.json) and keeps what it printed (ray.log).
    """

    def __init__(self, folder: Path, num_cpus: int | None = None, object_store_mb: int = 300) -> None:
        self._note, self._log = folder / "ray.json", folder / "ray.log"
        self._sizes = {"object-store-memory": object_store_mb * 2**20}
        if num_cpus is not None:
            self._sizes["num-cpus"] = num_cpus
        self._jobs: RayJobs | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="embedded Ray", daemon=True)
        self._thread.start()

    def submit(
        self, submission_id: str, words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self._running().submit(submission_id, words, folder, env)

    def status(self, submission_id: str) -> RayStatus | None:
        return self._running().status(submission_id)

    def stop(self, submission_id: str) -> None:
        self._running().stop(submission_id)

    def logs(self, submission_id: str) -> str:
        return self._running().logs(submission_id)

    def nodes(self) -> list[dict[str, Any]]:
        return self._running().nodes()

    def check(self) -> None:
        self._running().check()

    def close(self) -> None:
        """End the head and the jobs on it; returns when no process of theirs is left."""
        self._closing.set()
        self._thread.join()

    def _running(self) -> RayJobs:
        if self._jobs is None:
            raise ClusterError("the gateway's own Ray", "is starting", "ask again in some seconds")
        return self._jobs

    def _keep(self) -> None:
        """Find or start a head, watch it, start another when it has died; at the end, end it."""
        while not self._closing.is_set():
            try:
                head = self._found() or self._start()
                main = _main_process(head)
                if self._answers(head, main):
                    self._jobs = RayJobs(head.address, python=sys.executable)
                    while _lives(main) and not self._closing.wait(WATCH_S):
                        pass
                elif not self._closing.is_set():
                    log.error("Ray did not start; what it printed is in %s", self._log)
                    _end(head)
                    self._closing.wait(AGAIN_S)
            except Exception:  # whatever it is, the gateway goes on without Ray, and tries again
                log.exception("the gateway's own Ray could not be started")
                self._closing.wait(AGAIN_S)
            finally:
                self._jobs = None
        remembered = self._remembered()
        if remembered is not None:
            _end(remembered)
            self._note.unlink(missing_ok=True)

    def _found(self) -> _Head | None:
        """The head that ray.json remembers, if it lives; what is left of a dead one is ended."""
        head = self._remembered()
        if head is None or _main_process(head) is not None:
            return head
        _end(head)
        return None

    def _remembered(self) -> _Head | None:
        with suppress(OSError, ValueError, TypeError):
            return _Head(**json.loads(self._note.read_text()))
        return None

    def _start(self) -> _Head:
        ensure_private_token()
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        head = _Head(
            str(short_folder()),
            f"http://{_LOOPBACK}:{ports['dashboard-port']}",
            f"http://{_LOOPBACK}:{ports['dashboard-agent-listen-port']}",
            time.time(),
        )
        write_json(self._note, asdict(head))  # before there is a process, so that none is ever forgotten
        settings = {
            "dashboard-host": _LOOPBACK,
            "include-dashboard": "true",
            "temp-dir": head.folder,
            **ports,
            **self._sizes,
        }
        words = [f"--{name}={value}" for name, value in settings.items()]
        environment = {name: value for name, value in os.environ.items() if name not in _ANOTHERS}
        environment |= {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", MARK: head.folder}
        # Jobs that bring their code along are run by whatever is called python.
        environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        environment["SPT_NOENV"] = "1"  # or Ray's processes write their titles over their environment
        environment["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = "0"  # no job is waited for at the end
        with self._log.open("ab") as printed:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *words],
                env=environment,
                cwd=head.folder,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        threading.Thread(target=process.wait, name="reaper of Ray", daemon=True).start()
        head = _Head(**asdict(head) | {"pid": process.pid})
        write_json(self._note, asdict(head))
        return head

    def _answers(self, head: _Head, main: psutil.Process | None) -> bool:
        """Wait for the Jobs API, closed to strangers, and for the agent that runs the jobs."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and _lives(main) and not self._closing.wait(WATCH_S):
            with suppress(RnalearnerError, httpx.HTTPError):
                RayJobs(head.address).check()
                httpx.get(head.agent, timeout=2)
                return True
        return False


_ANOTHERS = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR")
"""Of a Ray that this process may itself belong to."""


def _main_process(head: _Head) -> psutil.Process | None:
    """`ray start` itself, if it lives; the others end with it."""
    for process in _marked(head):
        with suppress(psutil.Error):
            if "--head" in process.cmdline():
                return process
    return None


def _lives(process: psutil.Process | None) -> bool:
    with suppress(psutil.Error):
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _marked(head: _Head) -> list[psutil.Process]:
    """Every living process that belongs to this head."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == head.folder and _lives(process):
                found.append(process)
    return found


def _end(head: _Head) -> None:
    """End the head, which ends its own; then what is left of them. Remove its folder."""
    main = _main_process(head)
    if main is not None:
        with suppress(psutil.Error):
            main.terminate()
    begun = time.monotonic()
    while (left := _marked(head)) and time.monotonic() < begun + 2 * END_S:
        if main is None or time.monotonic() > begun + END_S:
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
        time.sleep(0.1)
    shutil.rmtree(head.folder, ignore_errors=True)


def _free_ports(n: int) -> list[int]:
    """Ports that nobody listens on, away from where other Rays of this host look for theirs."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < n:
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((_LOOPBACK, random.randint(20000, 60000)))  # noqa: S311
                port = probe.getsockname()[1]
                if not any(port in others for others in _OF_OTHERS):
                    found.append(port)
    return found
