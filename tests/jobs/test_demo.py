"""The demo from its first to its last phase, once; everything here asks what it left."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import pytest

from rnalearner.layout import PHASES, RunLayout

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1500)]

Cli = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "jobs" / "recipes" / "demo.toml"
SIGNAL = ("flight_a", "flight_b")
ARMS = ("none", "vectors", "pretrained", "guided")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    return RunLayout(tmp_path_factory.mktemp("demo") / "run")


@pytest.fixture(scope="module")
def again(cli: Cli, layout: RunLayout) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Run the demo, or what is left of it."""
    return lambda: cli("run", RECIPE, "--out", layout.root, "--json", cwd=layout.root.parent, timeout=1400)


@pytest.fixture(scope="module")
def demo(again: Callable[[], subprocess.CompletedProcess[str]]) -> subprocess.CompletedProcess[str]:
    return again()


@pytest.fixture(scope="module")
def summary(demo: subprocess.CompletedProcess[str], layout: RunLayout) -> dict[str, Any]:
    assert demo.returncode == 0, demo.stderr
    found: dict[str, Any] = json.loads((layout.report / "summary.json").read_text())
    return found


def accuracy(summary: dict[str, Any], task: str, arm: str) -> float:
    return float(summary["tasks"][task]["arms"][arm]["test_accuracy"]["mean"])


def states(done: subprocess.CompletedProcess[str]) -> dict[str, bool]:
    """Phase -> whether it did any work, as told on stderr."""
    assert done.returncode == 0, done.stderr
    told = re.findall(r"^(\w+): 1/1 (already complete|\d+ s)$", done.stderr, re.M)
    return {phase: note != "already complete" for phase, note in told}


def test_the_demo_runs_every_phase_and_prints_one_json_object(demo, summary, layout: RunLayout):
    assert states(demo) == dict.fromkeys(PHASES, True)
    printed = json.loads(demo.stdout)
    assert printed["out"] == str(layout.root)
    assert list(printed["phases"]) == list(PHASES)
    assert set(summary["phases"]) == set(PHASES)
    assert all(phase["seconds"] >= 0 for phase in summary["phases"].values())
    assert all(marker["seconds"] >= 0 for marker in printed["phases"].values())


@pytest.mark.parametrize("task", [*SIGNAL, "shuffled"])
def test_every_arm_has_an_accuracy_and_its_interval(summary, task: str):
    arms, linear = summary["tasks"][task]["arms"], summary["tasks"][task]["linear"]
    assert set(arms) == set(ARMS)
    assert len(linear) >= 2
    for figures in [*arms.values(), *linear.values()]:
        score = figures["test_accuracy"]
        assert 0 <= score["low"] <= score["mean"] <= score["high"] <= 1


@pytest.mark.parametrize("arm", ["pretrained", "guided"])
def test_what_the_corpus_taught_helps_where_there_is_something_to_learn(summary, arm: str):
    gains = [accuracy(summary, task, arm) - accuracy(summary, task, "none") for task in SIGNAL]
    assert all(gain > 0 for gain in gains), gains
    assert sum(gains) / len(gains) >= 0.05, gains


@pytest.mark.parametrize("arm", ARMS)
def test_no_arm_finds_anything_in_shuffled_labels(summary, arm: str):
    score = summary["tasks"]["shuffled"]["arms"][arm]["test_accuracy"]
    assert score["low"] <= 0.5 <= score["high"], score


def test_the_guided_linear_model_finds_what_is_there_and_nothing_else(summary):
    learners = {task: summary["tasks"][task]["guided_linear"] for task in [*SIGNAL, "shuffled"]}
    assert all(learner["guided"] and learner["genes"] for learner in learners.values())
    assert all(learners[task]["test_accuracy"]["low"] > 0.5 for task in SIGNAL)
    chance = learners["shuffled"]["test_accuracy"]
    assert chance["low"] <= 0.5 <= chance["high"]


def test_pretraining_beats_the_trivial_predictors(summary):
    assert summary["pretraining"]["valid_loss"] < summary["pretraining"]["mode_loss"]
    assert summary["pretraining"]["valid_loss"] < summary["pretraining"]["commonest_loss"]


def test_nothing_leaks_in_a_simulated_compendium(summary):
    assert summary["leaks"] == []


def test_the_page_is_whole_and_asks_nobody_outside(summary, layout: RunLayout):
    page = (layout.report / "index.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert not re.findall(r"""(?:src|href|action|srcset)\s*=\s*["']?\s*(?:https?:)?//""", page, re.I)
    assert not re.findall(r"""url\(\s*["']?\s*(?:https?:)?//|@import|<script[^>]+src|<link\b""", page, re.I)
    assert all(task in page for task in summary["tasks"])


def test_the_predictions_open_with_anndata(summary, layout: RunLayout):
    predictions = anndata.read_h5ad(layout.report / "predictions.h5ad")
    assert predictions.n_obs == sum(task["n_test"] for task in summary["tasks"].values())


def test_no_process_and_no_folder_of_ours_is_left(summary, own_temporary: Path):
    assert not list(own_temporary.glob("rl-*"))
    ours = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(own_temporary).encode() in words:
            ours.append(words.replace(b"\0", b" ").decode(errors="replace"))
    assert ours == []


def test_a_second_run_does_nothing(summary, again, layout: RunLayout):
    before = {path: path.stat().st_mtime_ns for path in layout.report.iterdir()}
    assert states(again()) == dict.fromkeys(PHASES, False)
    assert {path: path.stat().st_mtime_ns for path in layout.report.iterdir()} == before


def test_without_the_reports_marker_only_the_report_is_made_again(summary, again, layout: RunLayout):
    layout.marker("report").unlink()
    assert states(again()) == {phase: phase == "report" for phase in PHASES}


def test_a_run_goes_on_at_the_phase_that_is_missing_and_ends_the_same(summary, again, layout: RunLayout):
    layout.marker("finetune").unlink()
    assert states(again()) == {phase: phase in ("finetune", "report") for phase in PHASES}
    repeated = json.loads((layout.report / "summary.json").read_text())
    assert repeated["tasks"] == summary["tasks"]
