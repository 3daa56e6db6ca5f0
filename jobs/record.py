"""What a command writes of itself in RUN/attempts/N, for whoever follows it or finds it dead.

events.jsonl says what happened, heartbeat.json that it lives, result.json, last and atomically, how
it ended. A command without result.json and with a silent heartbeat was killed.
"""

import errno
import json
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jobs.ending import Fault, hold_signals, outcome, sigterm_interrupts
from jobs.phase import Figures, Phase, Progress, delivered
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of, write_json

BEAT_S = 2.0
PROGRESS_EVERY_S = 0.5


def last_attempt(layout: RunLayout) -> int:
    """The highest number of a command that ran here, or was asked to; 0 where none was."""
    with suppress(OSError):
        return max((int(p.name) for p in layout.attempts.iterdir() if p.name.isdecimal()), default=0)
    return 0


def next_attempt(layout: RunLayout) -> int:
    """Take the next free number: two commands that start at once get two."""
    layout.attempts.mkdir(parents=True, exist_ok=True)
    while True:
        number = last_attempt(layout) + 1
        with suppress(FileExistsError):
            layout.attempt(number).root.mkdir()
            return number


@contextmanager
def recorded(
    layout: RunLayout, verb: str, phases: Mapping[str, Phase], number: int | None = None
) -> Iterator["Record"]:
    """Record what the block does, and how it ends: well, by an error, by SIGTERM or Ctrl-C.

    Without a `number` it takes the next free one. With one it is a job, which ends itself when it
    sees a higher one: somebody took it for dead. Errors are recorded and go on. Raises RecipeError
    where the number was used before.
    """
    record = Record(layout, verb, phases, number)
    with sigterm_interrupts():
        record.begin()
        try:
            record.beat()
            yield record
        except BaseException as error:
            hold_signals()
            record.end(*outcome(error, verb, record.number, record.superseded))
            raise
        else:
            hold_signals()
            record.end("SUCCEEDED")


def as_job() -> bool:
    """Whether Ray's Jobs API started this process."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def _print_to(path: Path) -> None:
    """All that this process prints from now on, its libraries and its children included."""
    print(f"The log goes on in {path}", flush=True)  # noqa: T201 - the last line of Ray's own log
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o666)
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


class Record:
    """One command's record; its methods may be called from any thread."""

    def __init__(
        self, layout: RunLayout, verb: str, phases: Mapping[str, Phase], number: int | None = None
    ) -> None:
        self.layout, self.verb, self.phases = layout, verb, phases
        self.number = next_attempt(layout) if number is None else number
        self.superseded: int | None = None
        self._fenced = number is not None
        self._paths = layout.attempt(self.number)
        self._markers: dict[str, Figures] = {}
        self._begun, self._seq, self._beats = time.time(), 0, 0
        self._lock, self._ended = threading.RLock(), threading.Event()
        self._told: dict[str, float] = {}
        self._untold: dict[str, dict[str, Any]] = {}
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def begin(self) -> None:
        """Claim the attempt: its events are written by one process alone."""
        self._paths.root.mkdir(parents=True, exist_ok=True)
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY
            self._events = os.open(self._paths.events, flags, 0o666)
        except FileExistsError:
            what = "this attempt has begun before"
            raise RecipeError(self._paths.root, what, "leave --attempt out, or take a higher one") from None
        if as_job():
            _print_to(self._paths.log)
        started = {
            "verb": self.verb,
            "attempt": self.number,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        self._write("started", started)

    def beat(self) -> None:
        """Give signs of life, from a thread, until the end."""
        self._thread.start()

    def phase(self, name: str, state: str, marker: Figures) -> None:
        """An OnPhase: what a phase delivers, once it is complete, will stand in the result."""
        if state != "running":
            self._markers[name] = marker
        found: Figures = {key: marker[key] for key in ("seconds", "figures") if key in marker}
        self._write("phase", {"name": name, "state": state, **found})

    def progress(self, shown: Progress) -> Progress:
        """A Progress that is also recorded: each label at most every PROGRESS_EVERY_S, and its last."""

        def tell(
            label: str, done: int, total: int, note: str = "", figures: Mapping[str, float] | None = None
        ) -> None:
            shown(label, done, total, note, figures)
            data: dict[str, Any] = {"label": label, "done": int(done), "total": int(total), "note": note}
            # JSON has no NaN: a loss that diverged leaves a gap in its curve.
            finite = {name: float(value) for name, value in (figures or {}).items() if math.isfinite(value)}
            self._untold[label] = data | ({"figures": finite} if finite else {})
            self._tell(label, at_once=done >= total)

        return tell

    def end(self, status: str, cause: str | None = None, error: Fault | None = None) -> None:
        """Write the result; nothing may be recorded afterwards."""
        for label in list(self._untold):
            self._tell(label, at_once=True)
        files = [
            {
                "path": path.relative_to(self.layout.root).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": sha256_of(path),
            }
            for name in self._markers
            for path in delivered(self.phases[name], self.layout)
        ]
        outcome = {"status": status, "cause": cause, "error": error}
        self._write("ended", outcome)
        os.fsync(self._events)
        ended = time.time()
        result = {
            "attempt": self.number,
            "verb": self.verb,
            **outcome,
            "recipe_sha256": sha256_of(self.layout.recipe) if self.layout.recipe.exists() else None,
            "begun": self._begun,
            "ended": ended,
            "seconds": round(ended - self._begun, 3),
            "figures": {name: marker["figures"] for name, marker in self._markers.items()},
            "files": files,
        }
        write_json(self._paths.result, result)
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._events)

    def _tell(self, label: str, at_once: bool = False) -> None:
        with self._lock:
            now = time.monotonic()
            if at_once or now - self._told.get(label, -math.inf) >= PROGRESS_EVERY_S:
                data = self._untold.pop(label, None)
                if data is not None:
                    self._told[label] = now
                    self._write("progress", data)

    def _write(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append one line by one call, so that a reader sees all of it or no end of line."""
        with self._lock:
            self._seq += 1  # first: an interrupt after the write must not make a number twice
            event = {"seq": self._seq, "at": time.time(), "kind": kind, "data": data}
            line = json.dumps(event, allow_nan=False).encode() + b"\n"
            size = os.fstat(self._events).st_size
            try:
                if os.write(self._events, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._paths.events))
            except OSError:
                os.ftruncate(self._events, size)  # the next line must not join half of this one
                self._seq -= 1
                raise

    def _live(self) -> None:
        while True:
            self._beats += 1
            with suppress(OSError):  # a full disk is told by what the command itself writes
                write_json(self._paths.heartbeat, {"beat": self._beats, "at": time.time()})
                for label in list(self._untold):
                    self._tell(label)
            if self._fenced and self.superseded is None and last_attempt(self.layout) > self.number:
                self.superseded = last_attempt(self.layout)
                os.kill(os.getpid(), signal.SIGTERM)
            if self._ended.wait(BEAT_S):
                return
