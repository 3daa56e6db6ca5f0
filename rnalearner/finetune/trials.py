"""The trials of a search, in a journal that survives whatever ends the search: a line an event, appended."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

Status = Literal["RUNNING", "SUCCEEDED", "STOPPED", "FAILED"]
"""SUCCEEDED: ran to its own last epoch. STOPPED: others were better after as many epochs."""


@dataclass
class Trial:
    """One point of a search: its settings, and how they did after so many epochs."""

    number: int
    settings: dict[str, Any]
    status: Status = "RUNNING"
    seconds: float = 0.0
    scores: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Epoch -> loss (nats) and accuracy of the held-out samples."""

    @property
    def epochs_run(self) -> int:
        return max(self.scores, default=0)

    @property
    def loss(self) -> float | None:
        """At the last epoch that it ran."""
        return self.scores[self.epochs_run][0] if self.scores else None


class TrialJournal:
    """Every trial that began, by number; what is told of them is on disk before the call returns."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier search left; a last line that was cut is dropped."""
        self.path = path
        self.trials: dict[int, Trial] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_bytes() if path.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            os.truncate(path, len(whole))
        for line in whole.splitlines():
            self._take(json.loads(line))

    def begin(self, number: int, settings: Mapping[str, Any]) -> None:
        self._tell({"trial": number, "settings": dict(settings)})

    def score(self, number: int, epoch: int, loss: float, accuracy: float) -> None:
        self._tell({"trial": number, "epoch": epoch, "loss": loss, "accuracy": accuracy})

    def end(self, number: int, status: Status, seconds: float) -> None:
        self._tell({"trial": number, "status": status, "seconds": round(seconds, 3)})

    @property
    def ended(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if trial.status != "RUNNING"]

    @property
    def best(self) -> Trial | None:
        """The trial of the lowest loss among those that ran to their end; of equal ones, the earliest."""
        whole = [trial for trial in self.trials.values() if trial.status == "SUCCEEDED"]
        return min(whole, key=lambda trial: (trial.loss, trial.number), default=None)

    def _tell(self, event: dict[str, Any]) -> None:
        with self.path.open("ab") as file:
            file.write(json.dumps(event, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        number = event["trial"]
        if "settings" in event:  # began, or began again: what it scored before was lost with its worker
            self.trials[number] = Trial(number, event["settings"])
        elif "epoch" in event:
            self.trials[number].scores[event["epoch"]] = event["loss"], event["accuracy"]
        else:
            self.trials[number].status, self.trials[number].seconds = event["status"], event["seconds"]


def trials_table(trials: Iterable[Trial]) -> pd.DataFrame:
    """A row a trial, by number: trial, status, epochs_run, loss, accuracy, seconds, a column a setting."""
    rows = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        loss, accuracy = trial.scores[trial.epochs_run] if trial.scores else (None, None)
        told = {"epochs_run": trial.epochs_run, "loss": loss, "accuracy": accuracy, "seconds": trial.seconds}
        rows.append({"trial": trial.number, "status": trial.status, **told, **trial.settings})
    return pd.DataFrame(rows)
