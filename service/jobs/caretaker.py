"""Looks after the jobs that are not over: takes their news, decides, acts.

What needs the database alone is done at once. What needs the cluster, which may take seconds, is
handed back as errands; none of them holds a transaction open while it talks.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from rnalearner.errors import RnalearnerError
from rnalearner.layout import RunLayout
from rnalearner.publish import remove_halves
from service.crash import reached
from service.jobs.bulletin import Bulletin
from service.jobs.history import Entry, record
from service.jobs.monitor import take_news
from service.jobs.queue import OPEN, HopelessError, claim, fence, hand_over, submission_id, to_look_at
from service.jobs.reconcile import Action, Decision, Hint, Job, Limits, Signs, decide, needs_hint
from service.problems import ProblemError
from service.schemas.base import Fault
from service.settings import Settings
from service.store.database import Database, now
from service.store.tables import jobs
from service.submitter import JobSubmitter

Errand = Callable[[], object]
"""Talks to the cluster; may raise ClusterError, and is then asked for again."""
_MOST_REFUSALS = 5
"""Times that a cluster which answers may refuse one submission."""
_PASSING = (OSError, SQLAlchemyError, ProblemError)
"""No disk, no database, a dataset that is being validated: a job waits for as long as that lasts."""

_log = logging.getLogger("rnalearner.supervisor")


@dataclass
class _Memory:
    """What this process remembers of one attempt; another one starts anew."""

    hint: Hint = None
    asked: float = 0.0
    stopping: float | None = None
    stopped: bool = False
    refusals: int = 0


class Caretaker:
    """Nothing that it remembers matters: killed, the next one reads it all from database and folders.

    `answers` looks whether the cluster does, now; `question_s` is the time between two questions to
    it about one job.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        submitter: JobSubmitter,
        bulletin: Bulletin,
        limits: Limits,
        question_s: float,
        answers: Callable[[], bool],
    ) -> None:
        self._settings, self._database = settings, database
        self._submitter, self._bulletin = submitter, bulletin
        self._limits, self._question_s, self._answers = limits, question_s, answers
        self._memories: dict[str, _Memory] = {}
        self._leftovers: set[str] = set()
        self._watching_since = self._last_look = 0.0
        self.has_room = False
        """At the last look the cluster could be given one more job."""

    def look(self, reachable: bool) -> list[Errand]:
        """Take all news, decide, and act where the database is enough; returns what the cluster must do."""
        moment = now()
        if not 0 <= moment - self._last_look < self._limits.heartbeat_timeout_s / 3:
            self._watching_since = moment  # it paused, or the clock jumped
        self._last_look = moment
        with self._database.read() as connection:
            rows = to_look_at(connection)
        names = {submission_id(row.id, row.attempt) for row in rows}
        self._memories = {name: self._memories.get(name, _Memory()) for name in names}
        errands: list[Errand] = []
        for row in rows:
            try:
                errand = self._look_at(row, reachable)
            except Exception:
                _log.exception("job %s could not be looked at; the others can", row.id)
                continue
            if errand is not None:
                errands.append(errand)
        errands += [partial(self._stop_leftover, name) for name in sorted(self._leftovers)]
        theirs = [row for row in rows if row.submitted is not None]
        held_up = any(row.beat is None for row in theirs)  # and with it those behind it
        self.has_room = len(theirs) < self._settings.max_running and not held_up
        return errands

    def _look_at(self, row: Row[Any], reachable: bool) -> Errand | None:
        news = take_news(self._database, RunLayout(self._settings.jobs / row.id), row)
        if news is None:
            return None
        job, manifest = news
        memory = self._memory(job)
        if (job.n_events, job.beat) != (row.n_events, row.beat):
            memory.hint = None
            self._bulletin.notify(job.id)
        moment = now()
        signs = Signs(
            manifest,
            began=bool(job.beat),
            silent_s=0.0 if job.beat_seen is None else moment - job.beat_seen,
            watched_s=moment - self._watching_since,
            stopping_s=None if memory.stopping is None else moment - memory.stopping,
        )
        known = Job(job.status, job.attempt, job.submitted is not None, job.beat is not None, job.cancel)
        decision = decide(known, signs, memory.hint if reachable else "UNREACHABLE", self._limits)
        if decision.action is not Action.WAIT:
            _log.info("job %s: %s: %s", job.id, decision.action.value, decision.reason)
        match decision.action:
            case Action.SUBMIT:
                return partial(self._hand_over, job)
            case Action.RUN:
                self._change(job, [], status="RUNNING", started=job.started or moment)
            case Action.STOP:
                memory.stopping = moment
                return partial(self._stop, job)
            case Action.AGAIN:
                self._again(job, decision, manifest is not None)
            case Action.END:
                self._end(job, decision, manifest is not None)
            case Action.WAIT if signs.stopping_s is not None and not memory.stopped:
                return partial(self._stop, job)
            case Action.WAIT if needs_hint(signs, self._limits) and moment - memory.asked > self._question_s:
                return partial(self._ask, job)
        return None

    def _memory(self, job: Row[Any]) -> _Memory:
        return self._memories.setdefault(submission_id(job.id, job.attempt), _Memory())

    # By the database alone.

    def _change(self, job: Row[Any], entries: list[Entry], **changes: Any) -> bool:
        """One transaction, if the job is still what was judged."""
        same = (OPEN, jobs.c.attempt == job.attempt, jobs.c.cancel == job.cancel)
        with self._database.write() as connection:
            changed = record(connection, job.id, entries, same, **changes)
        if changed:
            self._bulletin.notify(job.id)
        return changed

    def _end(self, job: Row[Any], decision: Decision, said_so: bool = False) -> None:
        error = None if decision.error is None else decision.error.model_dump()
        outcome = {"status": decision.status, "cause": decision.cause, "error": error}
        moment = now()
        if not said_so:
            self._abandon(job)
        if self._change(job, [Entry(moment, "ended", outcome)], **outcome, ended=moment):
            with suppress(OSError):  # of an attempt that was killed; where they cannot go they do no harm
                remove_halves(self._settings.jobs / job.id)
        reached("result.committed")

    def _again(self, job: Row[Any], decision: Decision, said_so: bool) -> None:
        error = None if decision.error is None else decision.error.model_dump()
        data = {"attempt": job.attempt + 1, "reason": decision.reason, "error": error}
        entry = Entry(now(), "retry" if said_so else "lost", data)
        anew = {
            "attempt": job.attempt + 1, "status": "PENDING", "submitted": None, "started": None,
            "progress": None, "beat": None, "beat_seen": None, "events_offset": 0,
        }  # fmt: skip
        if not said_so:
            self._abandon(job)
        self._change(job, [entry], **anew)

    def _abandon(self, job: Row[Any]) -> None:
        """It gave no last word: whatever is left of it ends itself when it sees a higher attempt, and is
        stopped as soon as the cluster answers."""
        if job.submitted is not None:
            fence(RunLayout(self._settings.jobs / job.id), job.attempt + 1)
            self._leftovers.add(submission_id(job.id, job.attempt))

    # Errands.

    def hand_over_next(self) -> bool:
        """The first waiting job, if there is room for one more; whether there was one."""
        job = claim(self._database, self._settings.max_running)
        if job is not None:
            self._hand_over(job)
        return job is not None

    def _hand_over(self, job: Row[Any]) -> None:
        try:
            hand_over(self._settings, self._database, self._submitter, job)
        except HopelessError as hopeless:
            self._end(job, Decision(Action.END, "hopeless", "FAILED", "user", hopeless.fault))
        except _PASSING:
            raise
        except Exception as error:
            memory = self._memory(job)
            memory.refusals += self._answers()
            if memory.refusals < _MOST_REFUSALS:
                raise
            self._end(job, Decision(Action.END, "refused", "FAILED", "system", _fault(error)))
        self._bulletin.notify(job.id)

    def _ask(self, job: Row[Any]) -> None:
        memory = self._memory(job)
        memory.asked = now()
        memory.hint = self._submitter.status(submission_id(job.id, job.attempt)) or "UNKNOWN"

    def _stop(self, job: Row[Any]) -> None:
        self._submitter.stop(submission_id(job.id, job.attempt))
        reached("cancel.stopped")
        memory = self._memory(job)
        memory.stopped, memory.hint, memory.asked = True, None, 0.0

    def _stop_leftover(self, name: str) -> None:
        self._submitter.stop(name)
        self._leftovers.discard(name)


def _fault(error: Exception) -> Fault:
    if isinstance(error, RnalearnerError):
        return Fault(where=error.where, what=error.what, remedy=error.remedy)
    what = f"could not hand the job over ({type(error).__name__})"
    return Fault(where="gateway", what=what, remedy="tell its operator, whose log says more")
