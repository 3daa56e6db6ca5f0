"""A cluster of several nodes on this machine: a head without CPUs, and workers that share what there is.

Whoever starts it may end; another process finds it again by its folder, sees how it is, and ends it.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.loopback import LOOPBACK
from cluster.processes import (
    LOOK_S,
    START_S,
    RayProcesses,
    StartedRay,
    check,
    marked,
    node_processes,
)
from cluster.submission import RayJobs
from rnalearner.errors import ClusterError, OpenClusterError

TRIES = 3
"""So often is a node started: on a busy machine the first start may take longer than Ray itself waits."""
_GPUS = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class ClusterStatus:
    """A cluster that answers us, and refuses whoever has no token."""

    jobs_address: str
    """http://host:port of the Jobs API."""
    ray_address: str
    """host:port that drivers join."""
    workers: int
    """Nodes that are to be there beside the head."""
    nodes: list[dict[str, Any]]
    """id, alive and resources of each that joined."""
    pids: list[int]
    """`ray start` of each node that lives."""

    @property
    def alive(self) -> int:
        """How many nodes there are, the head among them."""
        return min(sum(node["alive"] for node in self.nodes), len(self.pids))


class LocalCluster:
    """The cluster of `folder`, if there is one: ray.json remembers it, ray.log has what it printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ray = RayProcesses(folder)

    def up(
        self, workers: int = 2, cpus_per_worker: int | None = None, object_store_mb: int = 300
    ) -> ClusterStatus:
        """Start it; returns when all of it answers. What was begun is ended where that does not happen.

        By default the workers share this machine's CPUs; its GPUs they share always.
        Raises ClusterError where there is one already, or where it does not come up, and
        OpenClusterError where it would answer strangers.
        """
        cpus = cpus_per_worker or max(1, (os.cpu_count() or 1) // workers)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        store = {"object-store-memory": object_store_mb * 2**20}
        with self._alone():
            self._end_what_is_dead()
            gpus = shares(_visible_gpus(), workers)
            try:
                started = self._head({"num-cpus": 0, "num-gpus": 0, **store}, workers)
                for nodes, own in enumerate(gpus, 2):
                    self._add(started, nodes, {"num-cpus": cpus, **store}, own)
                return self.status()
            except BaseException:
                self._end()
                raise

    def status(self) -> ClusterStatus:
        """How it is now; raises ClusterError where there is none, or where its head does not answer."""
        started = self._ray.remembered()
        if started is None:
            raise ClusterError(self.folder, "no cluster is up", "start one with `rnalearner cluster up`")
        if not marked(started):
            what, remedy = "the cluster has died", "`rnalearner cluster up` starts another"
            raise ClusterError(self.folder, what, remedy)
        check(started)
        return _seen(started)

    def down(self) -> bool:
        """End all of it, and nothing else; whether there was one."""
        if not self.folder.exists():
            return False
        with self._alone():
            return self._end()

    def _end(self) -> bool:
        started = self._ray.remembered()
        if started is None:
            return False
        self._ray.end(started)
        return True

    def _end_what_is_dead(self) -> None:
        started = self._ray.remembered()
        if started is not None and marked(started):
            what, remedy = "holds a cluster", "see `rnalearner cluster status`, end it with `cluster down`"
            raise ClusterError(self.folder, what, f"{remedy}, or name another --folder")
        self._end()

    def _head(self, sizes: Mapping[str, int], workers: int) -> StartedRay:
        for _ in range(TRIES):
            started = self._ray.start_head(sizes, workers)
            if self._joined(started, 1):
                return started
            self._ray.end(started)
        raise self._not_up()

    def _add(self, started: StartedRay, nodes: int, sizes: Mapping[str, int], gpus: Sequence[str]) -> None:
        """Start a worker, the last of so many nodes."""
        for _ in range(TRIES):
            self._ray.start_worker(started, {**sizes, "num-gpus": len(gpus)}, {_GPUS: ",".join(gpus)})
            if self._joined(started, nodes):
                return
        raise self._not_up()

    def _not_up(self) -> ClusterError:
        what, remedy = "the cluster did not come up", f"what it printed is in {self._ray.log}"
        return ClusterError(self.folder, what, remedy)

    def _joined(self, started: StartedRay, nodes: int) -> bool:
        """Wait until so many nodes answer us alone; False where one ended, or does not come."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and len(node_processes(started)) >= nodes:
            try:
                check(started)
                if _seen(started).alive >= nodes:
                    return True
            except OpenClusterError:
                raise
            except ClusterError:
                pass  # not yet
            time.sleep(LOOK_S)
        return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of several commands on one folder one is at work."""
        with (self.folder / "cluster.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                what = "another `rnalearner cluster` command is at work here"
                raise ClusterError(self.folder, what, "wait for it, or name another --folder") from None
            yield


def shares(gpus: Sequence[str], workers: int) -> list[list[str]]:
    """Deal GPUs to workers, one after the other; each of them to one only."""
    return [list(gpus[worker::workers]) for worker in range(workers)]


def _seen(started: StartedRay) -> ClusterStatus:
    return ClusterStatus(
        jobs_address=started.address,
        # Not 127.0.0.1, which Ray replaces by an address where nobody listens.
        ray_address=started.gcs.replace(LOOPBACK, f"[::ffff:{LOOPBACK}]"),
        workers=started.workers,
        nodes=RayJobs(started.address).nodes(),
        pids=[process.pid for process in node_processes(started)],
    )


def _visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES may name here."""
    import torch

    count = torch.cuda.device_count()
    named = [name for name in os.environ.get(_GPUS, "").split(",") if name]
    return named[:count] or [str(gpu) for gpu in range(count)]
