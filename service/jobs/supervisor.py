"""The thread that looks after every job, from its place in the queue to its end."""

import logging
import threading
import time
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from rnalearner.errors import ClusterError
from service.jobs.bulletin import Bulletin
from service.jobs.caretaker import Caretaker, Errand
from service.jobs.lease import Lease
from service.jobs.reconcile import Limits
from service.settings import Settings
from service.store import idempotency
from service.store.database import Database, now
from service.submitter import JobSubmitter

_PACES_PER_QUESTION = 6
"""To the cluster: how it is, or how one job is."""
_SWEEP_S = 60.0

_log = logging.getLogger("rnalearner.supervisor")


class Supervisor:
    """One daemon thread; of several gateway processes the one with the lease acts."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        submitter: JobSubmitter,
        bulletin: Bulletin,
        pace_s: float = 0.5,
        limits: Limits | None = None,
    ) -> None:
        self.health: dict[str, Any] = {"cluster": None, "seen": None}
        """What is wrong with the cluster, as a sentence (None: nothing), and when that was seen."""
        self._database, self._submitter = database, submitter
        self._pace_s, self._question_s = pace_s, pace_s * _PACES_PER_QUESTION
        self._lease = Lease(database)
        limits = limits or Limits(
            settings.heartbeat_timeout_s, settings.start_timeout_s, settings.max_attempts
        )
        self._caretaker = Caretaker(
            settings, database, submitter, bulletin, limits, self._question_s, self._answers
        )
        self._last_sweep = 0.0
        self._woken, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something to do; from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """Let another process go on; jobs on the cluster run on."""
        self._over.set()
        self._woken.set()
        self._thread.join(10)
        if not self._thread.is_alive():
            with suppress(SQLAlchemyError):  # then it runs out by itself
                self._lease.release()

    def _run(self) -> None:
        while not self._over.is_set():
            self._woken.clear()
            try:
                self._turn()
            except Exception:
                _log.exception("a turn failed; the next one follows")
            # A breath even if it was called: a turn reads all that waits, and hundreds may call in a second.
            if not self._over.wait(self._pace_s / 5):
                self._woken.wait(self._pace_s * 4 / 5)

    def _turn(self) -> None:
        errands = self._look()
        if now() - (self.health["seen"] or 0) >= self._question_s:
            self._run_errand(self._check)
        for errand in errands:
            if self._may_act:
                self._run_errand(errand)
        while self._caretaker.has_room and self._may_act:
            if not self._run_errand(self._caretaker.hand_over_next):
                break
        if now() - self._last_sweep > _SWEEP_S and self._lease.hold(now()):
            self._last_sweep = now()
            with self._database.write() as connection:
                idempotency.sweep(connection, now())

    def _look(self) -> list[Errand]:
        return self._caretaker.look(self._reachable) if self._lease.hold(now()) else []

    @property
    def _may_act(self) -> bool:
        return self._reachable and not self._over.is_set() and self._lease.hold(now())

    def _run_errand(self, errand: Errand) -> object:
        """Its result, None where it failed. Where the cluster takes long to answer, the news of running
        jobs does not wait for more than that."""
        begun, result = time.monotonic(), None
        try:
            result = errand()
        except ClusterError as error:
            _log.warning("%s", error)
            self._check()
        except Exception:
            _log.exception("one errand failed; the others follow")
        if time.monotonic() - begun > self._pace_s:
            self._look()
        return result

    # How the cluster is.

    @property
    def _reachable(self) -> bool:
        return self.health["seen"] is not None and self.health["cluster"] is None

    def _answers(self) -> bool:
        self._check()
        return self._reachable

    def _check(self) -> None:
        try:
            self._submitter.check()
            wrong = None
        except ClusterError as error:
            wrong = str(error)
        except Exception as error:
            _log.exception("the cluster could not be looked at")
            wrong = f"the cluster: could not be looked at ({type(error).__name__}); see the gateway's log."
        if wrong != self.health["cluster"]:
            _log.warning("%s", wrong or "the cluster answers")
        self.health = {"cluster": wrong, "seen": now()}
