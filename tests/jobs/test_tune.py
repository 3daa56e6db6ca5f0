"""`rnalearner tune` as its users start it, and as it is killed."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs.phase import completed
from jobs.run import PIPELINE
from jobs.tune import tuned_arm, tuned_task, with_settings
from rnalearner.config import FinetuneConfig, RunConfig, TaskConfig, TuneConfig, load_recipe
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from tests.jobs.killing import killed

Cli = Callable[..., subprocess.CompletedProcess[str]]
Events = list[dict[str, Any]]
ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "jobs" / "recipes" / "smoke.toml"
N_TRIALS = 8
OPTIONS = (
    *("--finetune.arms", '["none"]', "--finetune.in_flight", "1"),
    *("--tune.num_samples", N_TRIALS, "--tune.epochs", "[10,30]", "--tune.grace_epochs", "4"),
)


def events_of(layout: RunLayout) -> Events:
    try:
        lines = layout.trial_journal.read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def ended(events: Events) -> set[int]:
    return {event["trial"] for event in events if "status" in event}


@dataclass
class Tuned:
    """A run that was killed in the middle of its trials, and the same command once more."""

    layout: RunLayout
    left: Events
    """What the journal held when all was dead."""
    again: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, cli: Cli, environment: dict[str, str]) -> Tuned:
    folder = tmp_path_factory.mktemp("tuned")
    layout = RunLayout(folder / "run")
    words = [str(word) for word in ("tune", RECIPE, "--out", layout.root, "--needs", "--json", *OPTIONS)]
    killed(words, environment, folder / "killed.log", lambda: len(ended(events_of(layout))) >= 2)
    left = events_of(layout)
    return Tuned(layout, left, cli(*words, cwd=ROOT, timeout=300))


@pytest.mark.ray
def test_killed_and_started_again_it_runs_the_trials_that_were_asked_for(tuned: Tuned):
    assert tuned.again.returncode == 0, tuned.again.stderr
    assert 2 <= len(ended(tuned.left)) < N_TRIALS  # it was in the middle
    events = events_of(tuned.layout)
    assert events[: len(tuned.left)] == tuned.left
    assert ended(events) == set(range(N_TRIALS))
    assert sum("status" in event for event in events) == N_TRIALS
    table = pd.read_csv(tuned.layout.trials)
    assert table["trial"].tolist() == list(range(N_TRIALS))
    assert json.loads(tuned.again.stdout)["phases"]["tune"]["figures"]["trials"] == N_TRIALS


@pytest.mark.ray
def test_what_had_ended_is_not_done_again_and_what_was_cut_is_done_as_it_was_drawn(tuned: Tuned):
    drawn_before = {e["trial"]: e["settings"] for e in tuned.left if "settings" in e}
    later = events_of(tuned.layout)[len(tuned.left) :]
    drawn_later = {e["trial"]: e["settings"] for e in later if "settings" in e}
    cut = drawn_before.keys() - ended(tuned.left)
    assert cut == drawn_before.keys() & drawn_later.keys()
    assert all(drawn_later[number] == drawn_before[number] for number in cut)
    assert drawn_before.keys() | drawn_later.keys() == set(range(N_TRIALS))
    rates = [settings["learning_rate"] for settings in (drawn_before | drawn_later).values()]
    assert len(set(rates)) == N_TRIALS


@pytest.mark.ray
def test_its_recipe_is_the_run_with_the_best_trials_settings_and_finetune_takes_it(tuned: Tuned):
    table = pd.read_csv(tuned.layout.trials)
    whole = table[table["status"] == "SUCCEEDED"]
    best = whole.loc[whole["loss"].idxmin()]
    figures = json.loads(tuned.again.stdout)["phases"]["tune"]["figures"]
    assert figures["best_loss"] == pytest.approx(best["loss"], abs=1e-6)
    assert figures["best_loss"] <= figures["default_loss"] == pytest.approx(table["loss"][0], abs=1e-6)
    config, own = load_recipe(tuned.layout.best_recipe), load_recipe(tuned.layout.recipe)
    assert config == with_settings(own, figures["settings"])
    assert config.finetune.epochs == best["epochs"]
    assert config.finetune.learning_rate == pytest.approx(best["learning_rate"])
    assert config.finetune.arms == ("none",)
    # In the same run, what finetune builds on is complete for it.
    needs = PIPELINE["finetune"].needs(config)
    assert needs == ("ingest",)
    assert completed(PIPELINE["ingest"], PIPELINE, config, tuned.layout) is not None


@pytest.mark.ray
def test_it_leaves_its_results_and_nothing_of_ray(tuned: Tuned, own_temporary: Path):
    names = {path.name for path in tuned.layout.phase("tune").iterdir()}
    assert names == {
        *("best.toml", "trials.csv", "trials.svg", "trials.jsonl"),
        *("phase.json", "started.json"),
    }
    assert tuned.layout.trials.with_suffix(".svg").read_text().rstrip().endswith("</svg>")
    assert not list(own_temporary.glob("rl-*"))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        assert str(own_temporary).encode() not in words


@pytest.mark.ray
def test_it_says_how_far_it_is_and_shows_one_table(tuned: Tuned):
    lines = [line for line in tuned.again.stderr.splitlines() if line.strip()]
    bars = [line for line in lines if re.match(r"^(\w+): \d+/\d+", line)]
    assert bars[1].startswith(f"tune: {len(ended(tuned.left))}/{N_TRIALS}")
    assert any(re.match(rf"^tune: {N_TRIALS}/{N_TRIALS} best loss \d", bar) for bar in bars)
    others = [line for line in lines if line not in bars]
    assert others[0].strip() == f"Best of {N_TRIALS} trials"
    assert others[1].split()[:3] == ["trial", "loss", "accuracy"]
    assert len(others) == 3 + N_TRIALS  # title, heading, rule; nothing of Ray's or Optuna's


# ---- without Ray --------------------------------------------------------------------------------------


TASK = TaskConfig(name="a", train="A", validation="B", test="C")


def test_the_task_that_is_tuned_on_has_no_test_and_only_the_validation_it_needs():
    config = RunConfig(tasks=(TASK, TASK.model_copy(update={"name": "b"})))
    assert tuned_task(config) == TASK.model_copy(update={"test": None, "validation": None})
    watched = config.model_copy(update={"tune": TuneConfig(objective="validation", task="b")})
    assert tuned_task(watched).studies == ("A", "B")
    assert tuned_task(watched).name == "b"


def test_without_a_task_or_with_one_that_is_not_there_it_is_refused():
    with pytest.raises(RecipeError, match="no task to tune on"):
        tuned_task(RunConfig())
    with pytest.raises(RecipeError, match="no task 'x'; choose among a"):
        tuned_task(RunConfig(tasks=(TASK,), tune=TuneConfig(task="x")))


@pytest.mark.parametrize(
    ("arm", "needs"),
    [
        ("none", ("ingest",)),
        ("vectors", ("pretrain",)),
        ("pretrained", ("pretrain",)),
        ("guided", ("scout",)),
        (None, ("pretrain",)),
    ],
)
def test_it_needs_what_the_tuned_arm_starts_from(arm: Any, needs: tuple[str, ...]):
    config = RunConfig(finetune=FinetuneConfig(arms=("guided", "pretrained")), tune=TuneConfig(arm=arm))
    assert tuned_arm(config) == (arm or "pretrained")
    assert PIPELINE["tune"].needs(config) == needs
