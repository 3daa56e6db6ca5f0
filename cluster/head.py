"""A Ray of the gateway's own: a head on this machine, whose Jobs API only we may ask.

It outlives a gateway that was killed, so that the jobs go on; the next gateway finds it again.
"""

import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cluster.processes import LOOK_S, START_S, RayProcesses, StartedRay, check, lives, main_process
from cluster.submission import RayJobs, RayStatus
from rnalearner.errors import ClusterError, RnalearnerError

log = logging.getLogger(__name__)

AGAIN_S = 5.0
"""Between a start that failed and the next."""


class EmbeddedRay:
    """A `service.submitter.JobSubmitter` on a head of its own, which it starts again where it dies.

    Making one returns at once; calls raise ClusterError until the head is up. `folder` remembers the
    head (ray.json) and keeps what it printed (ray.log).
    """

    def __init__(self, folder: Path, num_cpus: int | None = None, object_store_mb: int = 300) -> None:
        self._ray = RayProcesses(folder)
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
                started = self._found() or self._ray.start_head(self._sizes)
                if self._answers(started):
                    self._jobs = RayJobs(started.address, python=sys.executable)
                    main = main_process(started)
                    while lives(main) and not self._closing.wait(LOOK_S):
                        pass
                elif not self._closing.is_set():
                    log.error("Ray did not start; what it printed is in %s", self._ray.log)
                    self._ray.end(started)
                    self._closing.wait(AGAIN_S)
            except Exception:  # whatever it is, the gateway goes on without Ray, and tries again
                log.exception("the gateway's own Ray could not be started")
                self._closing.wait(AGAIN_S)
            finally:
                self._jobs = None
        remembered = self._ray.remembered()
        if remembered is not None:
            self._ray.end(remembered)

    def _found(self) -> StartedRay | None:
        """The head that ray.json remembers, if it lives; what is left of a dead one is ended."""
        remembered = self._ray.remembered()
        if remembered is None or main_process(remembered) is not None:
            return remembered
        self._ray.end(remembered)
        return None

    def _answers(self, started: StartedRay) -> bool:
        """Wait until it is up, and closed to strangers; whether it is."""
        main = main_process(started)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and lives(main) and not self._closing.wait(LOOK_S):
            with suppress(RnalearnerError):
                check(started)
                return True
        return False
