"""Ray's processes on this machine: started closed to others, found again, and ended, and nobody else's.

What belongs to one Ray (its own processes, the jobs') carries its folder's name in its environment:
that, not a pid that may be another's by now, says what may be ended. It outlives whoever started it.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx
import ray  # noqa: F401 - brings psutil along

# isort: split
import psutil

from cluster.local import ensure_private_token, short_folder
from cluster.loopback import LOOPBACK, OPENED, SHUT
from cluster.submission import RayJobs, anybody_gets
from rnalearner.errors import ClusterError
from rnalearner.publish import write_json

START_S = 90.0
"""What does not answer so long after its start is ended."""
END_S = 10.0
"""Ray's own processes, and the jobs', get so long to end by themselves."""
LOOK_S = 0.5
"""Between two looks at what starts, or runs."""
MARK = "RNALEARNER_HEAD"
_NODE_PORTS = (
    "node-manager-port",
    "object-manager-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
)
_HEAD_PORTS = (*_NODE_PORTS, "port", "dashboard-port")
_OUR_PORTS = range(20000, 32768)
"""Above those where other Rays of this host look for theirs, below those that the system gives away."""
_ANOTHERS = (
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
)
"""Of a Ray that this process may itself belong to."""
_CLOSED = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_START_HOOK": "cluster.loopback.stay",
    **SHUT,
}


@dataclass(frozen=True)
class StartedRay:
    """What ray.json says of a Ray; `pid`, its head's, is null while that is being started."""

    folder: str
    address: str
    """Of the Jobs API."""
    agent: str
    """Of what runs the jobs on the head."""
    started: float
    pid: int | None = None
    gcs: str = ""
    """host:port that drivers and further nodes join."""
    workers: int = 0
    """Nodes that are to be there beside the head."""


class RayProcesses:
    """The one Ray that `folder` remembers (ray.json), with what it printed (ray.log)."""

    def __init__(self, folder: Path) -> None:
        self._note, self.log = folder / "ray.json", folder / "ray.log"

    def remembered(self) -> StartedRay | None:
        with suppress(OSError, ValueError, TypeError):
            return StartedRay(**json.loads(self._note.read_text()))
        return None

    def start_head(self, sizes: Mapping[str, int], workers: int = 0) -> StartedRay:
        """Start a head with `ray start`'s options `sizes`; returns before it answers.

        The Jobs API and every other port listen on loopback, and ask for this user's token.
        """
        ensure_private_token()
        ports = _free_ports(_HEAD_PORTS)
        started = StartedRay(
            folder=str(short_folder()),
            address=f"http://{LOOPBACK}:{ports['dashboard-port']}",
            agent=f"http://{LOOPBACK}:{ports['dashboard-agent-listen-port']}",
            started=time.time(),
            gcs=f"{LOOPBACK}:{ports['port']}",
            workers=workers,
        )
        write_json(self._note, asdict(started))  # before there is a process, so that none is ever forgotten
        settings: dict[str, int | str] = {
            "dashboard-host": LOOPBACK,
            "include-dashboard": "true",
            "temp-dir": f"{started.folder}/{OPENED}",
            **ports,
            **sizes,
        }
        started = replace(started, pid=self._launch(started, "--head", settings))
        write_json(self._note, asdict(started))
        return started

    def start_worker(
        self, started: StartedRay, sizes: Mapping[str, int], env: Mapping[str, str] | None = None
    ) -> None:
        """Start one more node of a Ray whose head answers; returns before it has joined."""
        self._launch(started, f"--address={started.gcs}", {**_free_ports(_NODE_PORTS), **sizes}, env)

    def end(self, started: StartedRay) -> None:
        """End its nodes, which end their own; then what is left of them, its folder and its note."""
        nodes = node_processes(started)
        for node in nodes:
            with suppress(psutil.Error):
                node.terminate()
        begun = time.monotonic()
        while (left := marked(started)) and time.monotonic() < begun + 2 * END_S:
            if not nodes or time.monotonic() > begun + END_S:
                for process in left:
                    with suppress(psutil.Error):
                        process.kill()
            time.sleep(0.1)
        shutil.rmtree(started.folder, ignore_errors=True)
        self._note.unlink(missing_ok=True)

    def _launch(
        self,
        started: StartedRay,
        kind: str,
        settings: Mapping[str, int | str],
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Run `ray start` with these options, marked, in a session of its own; returns its pid."""
        # The system gives workers their ports: Ray's own choice is the same for every Ray of a host.
        words = [f"--{name}={value}" for name, value in {**settings, **_ANY_WORKER_PORT}.items()]
        environment = {name: value for name, value in os.environ.items() if name not in _ANOTHERS}
        environment |= {**_CLOSED, MARK: started.folder, **(env or {})}
        # Jobs that bring their code along are run by whatever is called python.
        environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        environment["TMPDIR"] = started.folder  # what its processes and the jobs forget there goes with it
        environment["SPT_NOENV"] = "1"  # or Ray's processes write their titles over their environment
        environment["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = "0"  # no job is waited for at the end
        with self.log.open("ab") as printed:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "ray.scripts.scripts", "start", kind, "--block", *words],
                env=environment,
                cwd=started.folder,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        threading.Thread(target=process.wait, name="reaper of Ray", daemon=True).start()
        return process.pid


_ANY_WORKER_PORT = {"min-worker-port": 0, "max-worker-port": 0}


def check(started: StartedRay) -> None:
    """Raises ClusterError unless the Jobs API answers us alone, and what runs the jobs listens."""
    RayJobs(started.address).check()
    try:
        anybody_gets(started.agent, httpx.Timeout(2))
    except httpx.HTTPError as error:
        what = f"does not answer ({type(error).__name__})"
        raise ClusterError(f"Ray's job agent at {started.agent}", what, "see ray.log") from error


def marked(started: StartedRay) -> list[psutil.Process]:
    """Every living process that belongs to this Ray."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == started.folder and lives(process):
                found.append(process)
    return found


def node_processes(started: StartedRay) -> list[psutil.Process]:
    """`ray start` of each node that lives, the head's first; the others end with theirs."""
    heads: list[psutil.Process] = []
    workers: list[psutil.Process] = []
    for process in marked(started):
        with suppress(psutil.Error):
            words = process.cmdline()
            if "--block" in words:
                (heads if "--head" in words else workers).append(process)
    return heads + workers


def main_process(started: StartedRay) -> psutil.Process | None:
    """`ray start` of the head, if it lives."""
    for process in node_processes(started):
        with suppress(psutil.Error):
            if "--head" in process.cmdline():
                return process
    return None


def lives(process: psutil.Process | None) -> bool:
    with suppress(psutil.Error):
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """A port that nobody listens on for each name."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < len(names):
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((LOOPBACK, random.choice(_OUR_PORTS)))  # noqa: S311
                found.append(probe.getsockname()[1])
    return dict(zip(names, found, strict=True))
