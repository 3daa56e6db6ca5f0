"""A cluster that runs nothing: a folder says what it was asked, and how it answers.

All its state is files, so the process of a live gateway and the test beside it share one cluster:
the test makes its own FakeCluster of the same folder. What a real job would leave in its folder is
written by `begin`, `say`, `beat` and `finish`, or at once at submission, see `behave`.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnalearner.errors import ClusterError
from rnalearner.layout import AttemptLayout, RunLayout
from rnalearner.publish import sha256_of, write_json
from service.submitter import RayStatus


@dataclass(frozen=True)
class Submission:
    """One line of the ledger."""

    id: str
    words: list[str]
    folder: Path
    env: dict[str, str]
    calls: int
    """Times that this id was handed over; the cluster runs it once."""

    @property
    def attempt(self) -> int:
        return int(self.id.rpartition("-")[2])

    @property
    def record(self) -> AttemptLayout:
        return RunLayout(self.folder).attempt(self.attempt)


class FakeCluster:
    """Implements service.submitter.JobSubmitter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    # What the gateway asks.

    def submit(
        self, submission_id: str, words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self._reach()
        line = {"id": submission_id, "words": list(words), "folder": str(folder), "env": dict(env or {})}
        with self._ledger() as ledger:
            known = submission_id in {json.loads(before)["id"] for before in ledger}
            if not known:  # before anybody can see the submission, and say how it goes on
                self._write(f"{submission_id}.status", "PENDING")
            ledger.write(json.dumps(line) + "\n")
        if not known and self._read("behaviour") == "succeed":
            self.begin(submission_id)
            self.finish(submission_id)

    def status(self, submission_id: str) -> RayStatus | None:
        self._reach()
        return self._read(f"{submission_id}.status")  # type: ignore[return-value]

    def stop(self, submission_id: str) -> None:
        self._reach()
        with (self.folder / "stopped").open("a") as stopped:
            stopped.write(submission_id + "\n")
        if self._read(f"{submission_id}.status") in ("PENDING", "RUNNING"):
            self.answer(submission_id, "STOPPED")

    def logs(self, submission_id: str) -> str:
        self._reach()
        return self._read(f"{submission_id}.log") or ""

    def nodes(self) -> list[dict[str, Any]]:
        self._reach()
        return [{"id": "node-1", "alive": True, "resources": {"CPU": 2.0}}]

    def check(self) -> None:
        self._reach()
        if self._read("open"):
            raise ClusterError("Ray", "takes jobs without a token", "start it with RAY_AUTH_MODE=token")

    def close(self) -> None:
        pass

    # What a test says.

    def behave(self, how: str | None) -> None:
        """ "succeed": every job ends well as soon as it is submitted; None: it waits for the test."""
        self._write("behaviour", how)

    def unreachable(self, yes: bool = True) -> None:
        """Every call raises ClusterError."""
        self._write("unreachable", "yes" if yes else None)

    def unguarded(self, yes: bool = True) -> None:
        """`check` finds that it takes jobs from anybody."""
        self._write("open", "yes" if yes else None)

    def answer(self, submission_id: str, status: RayStatus | None) -> None:
        """What `status` says from now on; None: it does not know the id."""
        self._write(f"{submission_id}.status", status)

    @property
    def submissions(self) -> list[Submission]:
        """In the order in which they were first handed over."""
        found: dict[str, dict[str, Any]] = {}
        calls: dict[str, int] = {}
        with self._ledger() as ledger:
            for line in map(json.loads, ledger):
                found.setdefault(line["id"], line)
                calls[line["id"]] = calls.get(line["id"], 0) + 1
        return [
            Submission(name, line["words"], Path(line["folder"]), line["env"], calls[name])
            for name, line in found.items()
        ]

    @property
    def stopped(self) -> list[str]:
        return (self._read("stopped") or "").split()

    def wait_for(self, submission_id: str, timeout: float = 20) -> Submission:
        """The submission, once it was handed over."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for submission in self.submissions:
                if submission.id == submission_id:
                    return submission
            time.sleep(0.02)
        raise AssertionError(f"{submission_id} was not submitted within {timeout} s")

    # What a job leaves in its folder.

    def begin(self, submission_id: str) -> None:
        """Its first sign of life: RUNNING, an event `started`, a heartbeat."""
        self.answer(submission_id, "RUNNING")
        submission = self._submission(submission_id)
        self.say(
            submission_id,
            "started",
            {"verb": submission.words[0], "attempt": submission.attempt, "pid": os.getpid(), "host": "fake"},
        )
        self.beat(submission_id, 1)

    def say(self, submission_id: str, kind: str, data: dict[str, Any]) -> None:
        """One more line in its events."""
        events = self._submission(submission_id).record.events
        events.parent.mkdir(parents=True, exist_ok=True)
        seq = events.read_bytes().count(b"\n") + 1 if events.exists() else 1
        line = {"seq": seq, "at": time.time(), "kind": kind, "data": data}
        with events.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def beat(self, submission_id: str, number: int) -> None:
        beat = {"beat": number, "at": time.time()}
        write_json(self._submission(submission_id).record.heartbeat, beat)

    def finish(
        self,
        submission_id: str,
        status: str = "SUCCEEDED",
        cause: str | None = None,
        error: dict[str, str] | None = None,
        figures: dict[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Its last: an event `ended`, its files and, whole, its result; the cluster knows it as ended."""
        submission = self._submission(submission_id)
        for path, content in (files or {"report/summary.json": b"{}\n"}).items():
            target = submission.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.say(submission_id, "ended", {"status": status, "cause": cause, "error": error})
        result = {
            "attempt": submission.attempt,
            "verb": submission.words[0],
            "status": status,
            "cause": cause,
            "error": error,
            "recipe_sha256": "0" * 64,
            "begun": time.time() - 1,
            "ended": time.time(),
            "seconds": 1.0,
            "figures": figures or {},
            "files": [
                {
                    "path": path,
                    "bytes": (submission.folder / path).stat().st_size,
                    "sha256": sha256_of(submission.folder / path),
                }
                for path in (files or {"report/summary.json": b""})
            ],
        }
        write_json(submission.record.result, result)
        self.answer(submission_id, "SUCCEEDED" if status == "SUCCEEDED" else "FAILED")

    # Files.

    def _submission(self, submission_id: str) -> Submission:
        return next(submission for submission in self.submissions if submission.id == submission_id)

    @contextmanager
    def _ledger(self) -> Iterator[Any]:
        with (self.folder / "ledger.jsonl").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file

    def _reach(self) -> None:
        if self._read("unreachable"):
            raise ClusterError("Ray", "does not answer", "jobs wait until it does")

    def _read(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text()
        except FileNotFoundError:
            return None

    def _write(self, name: str, text: str | None) -> None:
        if text is None:
            (self.folder / name).unlink(missing_ok=True)
            return
        half = self.folder / f".{name}.{os.getpid()}-{threading.get_ident()}"
        half.write_text(text)
        half.replace(self.folder / name)
