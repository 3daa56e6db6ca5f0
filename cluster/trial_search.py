"""Which settings a trial gets: Optuna's choice, written down, and gone on with after an interruption.

Ray Tune's own way to go on repeats what ended since its last snapshot and forgets the scheduler's rungs
(Ray 2.60). Here the journal is the truth: a searcher and a scheduler made from it know what they knew.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from rnalearner.config import TuneConfig
from rnalearner.finetune.trials import Status, Trial, TrialJournal

OWN = 0
"""The trial of the recipe's own settings: it comes first, and runs to its end whatever the others do."""


def search_space(
    tune: TuneConfig, trained_blocks: Collection[int], guided: bool
) -> dict[str, BaseDistribution]:
    """Fields of FinetuneConfig and where Optuna may look for them."""
    space: dict[str, BaseDistribution] = {
        "learning_rate": FloatDistribution(*tune.learning_rate, log=True),
        "head": CategoricalDistribution(tune.head),
        "trained_blocks": CategoricalDistribution(tuple(trained_blocks)),
        "epochs": IntDistribution(*tune.epochs),
        "cohort_centring": CategoricalDistribution(tune.cohort_centring),
    }
    if guided:
        space["guide_form"] = CategoricalDistribution(tune.guide_form)
        space["guide_temperature"] = FloatDistribution(*tune.guide_temperature, log=True)
    return space


class JournaledSearch(Searcher):
    """OptunaSearch (TPE) whose trials have numbers and stand in a journal.

    Trials that an interruption cut are given out again first, with their numbers and settings.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        journal: TrialJournal,
        own_settings: Mapping[str, Any],
        seed: int,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(metric="loss", mode="min")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # Moved on by what began before, or the sampler would draw the first trials once more.
        sampler = optuna.samplers.TPESampler(seed=seed + len(journal.trials))
        self._optuna = OptunaSearch(dict(space), metric="loss", mode="min", sampler=sampler)
        self._journal, self._on_end = journal, on_end
        self._waiting = deque(t for t in journal.trials.values() if t.status == "RUNNING")
        if OWN not in journal.trials:
            self._waiting.append(Trial(OWN, dict(own_settings)))
        self._numbers: dict[str, int] = {}
        self._asked: set[str] = set()
        for trial in journal.ended:
            self._learn(trial)

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """A trial's settings, and its number as `trial`."""
        if self._waiting:
            trial = self._waiting.popleft()
        else:
            trial = Trial(len(self._journal.trials), self._optuna.suggest(trial_id))
            self._asked.add(trial_id)
        self._numbers[trial_id] = trial.number
        self._journal.begin(trial.number, trial.settings)
        return {"trial": trial.number, **trial.settings}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if self._score(trial_id, result) and trial_id in self._asked:
            self._optuna.on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if result:
            self._score(trial_id, result)  # of a trial that is stopped, nothing else tells the last one
        trial = self._journal.trials[self._numbers[trial_id]]
        whole = trial.epochs_run >= trial.settings["epochs"]
        status: Status = "FAILED" if error or trial.loss is None else "SUCCEEDED" if whole else "STOPPED"
        self._journal.end(trial.number, status, (result or {}).get("time_total_s", 0.0))
        if trial_id in self._asked:
            self._optuna.on_trial_complete(trial_id, result, error)
        else:
            self._learn(trial)
        self._on_end()

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state, and Ray would pickle it."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing either: Ray pickles what it is given, for a way to go on that is not ours."""
        return {}

    def _score(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Write down a score; False where it was known, as of a trial whose worker was replaced."""
        number, epoch = self._numbers[trial_id], result.get("epoch")
        if epoch is None or epoch in self._journal.trials[number].scores:
            return False
        self._journal.score(number, epoch, result["loss"], result["accuracy"])
        return True

    def _learn(self, trial: Trial) -> None:
        """Tell Optuna of a trial that it did not choose, unless that lies outside of its space."""
        with suppress(ValueError):
            failed = trial.status == "FAILED"
            self._optuna.add_evaluated_point(trial.settings, trial.loss, error=failed)


class SparingAsha(ASHAScheduler):
    """ASHA over epochs that never stops the recipe's own settings: the best is at least as good."""

    def __init__(self, tune: TuneConfig, max_epochs: int, journal: TrialJournal) -> None:
        super().__init__(
            time_attr="epoch",
            metric="loss",
            mode="min",
            max_t=max_epochs,
            grace_period=min(tune.grace_epochs, max_epochs),
            reduction_factor=tune.reduction_factor,
        )
        for trial in journal.ended:
            known = SimpleNamespace(trial_id=f"earlier-{trial.number}", config={"trial": trial.number})
            self.on_trial_add(None, known)
            for epoch, (loss, _) in sorted(trial.scores.items()):
                self.on_trial_result(None, known, {"epoch": epoch, "loss": loss})

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision = super().on_trial_result(tune_controller, trial, result)
        return TrialScheduler.CONTINUE if trial.config["trial"] == OWN else decision
