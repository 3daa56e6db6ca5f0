"""The benchmark as its users start it: runs, refusals, a kill in the middle, and what it leaves."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jobs.measure import measure
from rnalearner.benchmark.linear_arms import LINEAR_ARMS
from rnalearner.config.benchmark import benchmark_settings
from rnalearner.errors import RecipeError
from rnalearner.layout import BenchmarkLayout, RunLayout
from rnalearner.shards.read import ShardStore
from tests.jobs.killing import killed
from tests.toy_yardstick import EFFECT, TASKS, write_yardstick

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]

Cli = Callable[..., subprocess.CompletedProcess[str]]
TINY = """
[preprocessing]
min_expressed_genes = 20
[clustering]
n_components = 8
k_list = [2]
k = 2
[figures]
n_components = 3
sample_share = 1.0
umap = false
[gene2vec]
min_correlation = 0.3
epochs = 5
[model]
dim = 8
depth = 2
heads = 2
dim_head = 4
n_features = 8
[pretrain]
num_workers = 1
batch_size = 8
max_steps = 4
warmup_steps = 1
evaluate_every = 2
[scouting]
n_scouts = 1
max_samples = 40
max_epochs = 1
[finetune]
epochs = 2
restart_epochs = 2
[ray]
num_cpus = 2
"""
LINEAR = (
    *("--arms", "linear", "--k", "1,3,6", "--draws", "4"),
    *("--permutations", "nearest_centroid", "--ray.num_cpus", "2"),
)


@dataclass(frozen=True)
class Yard:
    """A compendium with its tasks, a recipe, and runs of three folds with gene guides."""

    cli: Cli
    root: Path
    tasks: Path
    recipe: Path
    runs: Path

    def prepare(self, *words: object) -> subprocess.CompletedProcess[str]:
        where = ("--compendium", self.tasks.parent, "--ray.num_cpus", "2")
        return self.cli("benchmark", "prepare", *where, *words, cwd=self.root, timeout=600)

    def asked(
        self, out: Path, *words: object, tasks: Path | None = None, runs: Path | None = None
    ) -> list[str]:
        where = (
            "--compendium",
            self.tasks.parent,
            "--tasks",
            tasks or self.tasks,
            "--runs",
            runs or self.runs,
        )
        return [str(word) for word in ("benchmark", *where, "--out", out, *words)]

    def benchmark(self, *words: object, **where: Any) -> subprocess.CompletedProcess[str]:
        return self.cli(*self.asked(*words, **where), cwd=self.root, timeout=600)


@pytest.fixture(scope="module")
def yard(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Yard:
    root = tmp_path_factory.mktemp("yard")
    recipe = root / "tiny.toml"
    recipe.write_text(TINY)
    yard = Yard(cli, root, write_yardstick(root / "compendium"), recipe, root / "runs")
    done = yard.prepare(recipe, "--tasks", yard.tasks, "--runs", yard.runs, "--folds", 3, "--phases", "genes")
    assert done.returncode == 0, done.stderr
    return yard


@pytest.fixture(scope="module")
def whole(yard: Yard) -> BenchmarkLayout:
    """All linear arms, uninterrupted."""
    layout = BenchmarkLayout(yard.root / "whole")
    done = yard.benchmark(layout.root, *LINEAR, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["out"], printed["pieces_left"]) == (str(layout.root), 0)
    assert printed["report"] == str(layout.report)
    return layout


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_each_fold_is_a_run_that_never_saw_its_families(yard: Yard):
    folds = json.loads((yard.runs / "folds.json").read_text())["folds"]
    assert sorted(family for fold in folds for family in fold["families"]) == [
        "alpha",
        "beta",
        "delta",
        "quiet",
    ]
    for fold in folds:
        run = RunLayout(yard.runs / fold["name"])
        seen = set(ShardStore.open(run.shards).obs["study"])
        assert seen == set(EFFECT) - set(fold["left_out"]) == set(fold["corpus"])
        assert {"plain_1", "plain_2"} <= seen
        assert run.gene_guide.is_dir()
        assert not run.phase("pretrain").exists()


def test_a_second_preparation_does_nothing_and_one_with_other_options_goes_its_way(yard: Yard):
    words = ("--tasks", yard.tasks, "--runs", yard.runs, "--folds", 3, "--phases", "genes")
    again = yard.prepare(yard.recipe, *words, "--json")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already complete") == 2 * 3
    made = json.loads(again.stdout)["folds"]
    assert [Path(fold["run"]).name for fold in made] == ["fold-0", "fold-1", "fold-2"]
    assert all(set(fold["phases"]) == {"ingest", "genes"} for fold in made)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--phases", "finetune"), "a fold's run has no phase 'finetune'"),
        (("--folds", "0"), "folds"),
        (("--pretrain.max_stepz", "3"), "is no option and no field of a recipe"),
    ],
)
def test_a_preparation_that_makes_no_sense_ends_with_3(yard: Yard, tmp_path: Path, words, told):
    done = yard.prepare("--tasks", yard.tasks, "--runs", tmp_path / "runs", *words)
    assert done.returncode == 3
    assert told in sentence(done)
    assert not (tmp_path / "runs" / "fold-0").exists()


def test_every_arm_is_scored_on_every_draw(whole: BenchmarkLayout):
    results = pd.read_csv(whole.results)
    draws = pd.read_csv(whole.draws)
    assert set(draws["task"]) == {"alpha", "beta", "delta", "quiet"}
    assert draws.groupby(["task", "k"]).size().eq(4).all()
    assert set(results["arm"]) == set(LINEAR_ARMS)
    assert results.groupby(["arm", "centred"]).size().eq(len(draws)).all()
    summary = json.loads(whole.summary.read_text())
    assert summary["left"] == {"pieces": 0, "permutations": 0, "cells": []}
    assert {row["arm"] for row in summary["arms"]} == set(LINEAR_ARMS)
    page = whole.report.read_text()
    assert "No task shares a study" in page or "No arm starts from a run" in page
    assert "leaks were found" not in page


def test_a_label_that_says_something_is_told_from_one_that_says_nothing(whole: BenchmarkLayout):
    results = pd.read_csv(whole.results)
    of_task = (
        results[(results["arm"] == "nearest_centroid") & (results["k"] == 3)].groupby("task")["auroc"].mean()
    )
    assert of_task["beta"] > 0.8
    assert 0.2 < of_task["quiet"] < 0.8


def test_the_same_question_again_starts_no_ray_and_writes_the_same(yard: Yard, whole: BenchmarkLayout):
    before = whole.results.read_bytes()
    again = yard.benchmark(whole.root, *LINEAR)
    assert again.returncode == 0, again.stderr
    assert "pieces" not in again.stderr
    assert again.stdout.splitlines()[-1] == f"Report: {whole.report}"
    assert whole.results.read_bytes() == before


def test_fewer_draws_are_the_first_of_more(yard: Yard, whole: BenchmarkLayout):
    fewer = yard.root / "fewer"
    shutil.copytree(whole.pieces, fewer / "pieces")
    done = yard.benchmark(fewer, *LINEAR, "--draws", "2")
    assert done.returncode == 0, done.stderr
    assert "pieces" not in done.stderr  # all of it had been scored
    all_draws, first = (pd.read_csv(BenchmarkLayout(root).draws) for root in (whole.root, fewer))
    pd.testing.assert_frame_equal(first, all_draws[all_draws["draw"] < 2].reset_index(drop=True))


def test_labels_are_permuted_where_six_a_class_can_be_drawn(whole: BenchmarkLayout):
    table = pd.read_csv(whole.permutation)
    assert set(table["task"]) == {"alpha", "beta", "delta", "quiet"}
    assert set(table["arm"]) == {"nearest_centroid"}
    assert table["relabellings"].eq(924).all()
    assert table["p"].between(1 / 924, 1).all()


def test_a_task_whose_family_was_in_every_corpus_is_refused_unless_told(yard: Yard, tmp_path: Path):
    header, alpha, *_ = TASKS.splitlines(keepends=True)
    only_alpha = tmp_path / "alpha.csv"
    only_alpha.write_text(header + alpha)
    runs, out = tmp_path / "runs", tmp_path / "out"
    made = yard.prepare(yard.recipe, "--tasks", only_alpha, "--runs", runs, "--phases", "genes")
    assert made.returncode == 0, made.stderr
    words = ("--arms", "none,lr_l2", "--k", "1", "--draws", "1", "--seeds", "1", "--ray.num_cpus", "2")

    refused = yard.benchmark(out, *words, runs=runs)
    assert refused.returncode == 3
    assert "task beta: every run of" in sentence(refused)
    assert "learned from a study of its family" in sentence(refused)
    assert not (out / "results.csv").exists()

    allowed = yard.benchmark(out, *words, "--allow-leak", runs=runs)
    assert allowed.returncode == 0, allowed.stderr
    page = (out / "report.html").read_text()
    assert "leaks were found, and" in page
    assert "beta: every run of" in page
    assert "beta: study beta is in the run&#39;s corpus" in page
    assert "Leaks were allowed." in page
    leaks = json.loads((out / "summary.json").read_text())["leaks"]
    assert not any(leak.startswith("alpha:") for leak in leaks)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--draw", "3"), "is no option and no field"),
        (("--k", "few"), "--k: 'few' is not usable"),
        (("--preset", "slow"), "there is no preset 'slow'"),
    ],
)
def test_a_question_that_makes_no_sense_ends_with_3(yard: Yard, tmp_path: Path, words, told):
    done = yard.benchmark(tmp_path / "out", *words)
    assert done.returncode == 3
    assert told in sentence(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "options", "told"),
    [
        ({"arms": ["magic"]}, {}, "there is no arm 'magic'"),
        (
            {"arms": ["none"], "runs": None},
            {},
            "--runs: is not given, and none starts from what a run learned",
        ),
        ({"arms": ["none"], "runs": Path("nowhere")}, {}, "rnalearner benchmark prepare"),
        ({"arms": ["guided"]}, {}, "has no complete phase pretrain; prepare it with --phases pretrain"),
        (
            {"arms": ["lr_l2"]},
            {"pretrain.max_steps": 3},
            "--pretrain.max_steps: is settled when the runs are made",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_starts(
    yard: Yard, tmp_path: Path, given, options, told
):
    where = {"compendium": [yard.tasks.parent], "tasks": yard.tasks, "runs": yard.runs}
    settings = benchmark_settings(where | given)
    with pytest.raises(RecipeError, match=re.escape(told)):
        measure(settings, options, BenchmarkLayout(tmp_path / "out"), lambda *told, **more: None)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def encoder_runs(yard: Yard) -> Path:
    """One fold that leaves all four families out: its corpus is the two plain studies."""
    runs = yard.root / "encoder"
    done = yard.prepare(yard.recipe, "--tasks", yard.tasks, "--runs", runs, "--folds", 1)
    assert done.returncode == 0, done.stderr
    return runs


BOTH = (
    *("--arms", "none,pretrained,guided,lr_l1_c10,knn_3", "--k", "1", "--draws", "2", "--seeds", "2"),
    *("--draws-per-piece", "1", "--permutations", "", "--finetune.epochs", "3", "--ray.num_cpus", "2"),
)


def test_killed_in_the_middle_it_goes_on_and_its_results_have_the_same_bytes(
    yard: Yard, encoder_runs: Path, environment: dict[str, str], tmp_path: Path
):
    cut, uncut = BenchmarkLayout(tmp_path / "cut"), BenchmarkLayout(tmp_path / "uncut")

    def stored() -> set[str]:
        return {path.name for path in cut.pieces.glob("*.json")}

    def in_the_middle() -> bool:
        return sum("encoder" in name for name in stored()) >= 2

    killed(yard.asked(cut.root, *BOTH, runs=encoder_runs), environment, tmp_path / "log", in_the_middle)
    before = stored()
    assert not cut.results.exists()
    again = yard.benchmark(cut.root, *BOTH, runs=encoder_runs)
    assert again.returncode == 0, again.stderr
    assert before < stored()
    written = {path.name: path.stat().st_mtime_ns for path in cut.pieces.iterdir()}
    assert yard.benchmark(uncut.root, *BOTH, runs=encoder_runs).returncode == 0
    assert cut.results.read_bytes() == uncut.results.read_bytes()
    assert cut.draws.read_bytes() == uncut.draws.read_bytes()
    assert {path.name: path.stat().st_mtime_ns for path in cut.pieces.iterdir()} == written

    results = pd.read_csv(cut.results)
    seeds = results.groupby("arm")["seed"].nunique().to_dict()
    assert seeds == {"none": 2, "pretrained": 2, "guided": 2, "lr_l1_c10": 1, "knn_3": 1}
    assert "The guided encoder against the pretrained encoder" in cut.report.read_text()


def test_out_of_seconds_it_ends_well_and_says_what_is_left(yard: Yard, encoder_runs: Path, tmp_path: Path):
    layout = BenchmarkLayout(tmp_path / "out")
    short = yard.benchmark(layout.root, *BOTH, "--seconds", "0.001", runs=encoder_runs)
    assert short.returncode == 0, short.stderr
    # Four tasks, two draws; linear arms, and three of the encoder that start from different phases.
    assert f"{4 * 4 * 2} pieces are left: run the same command again" in short.stdout
    assert "Not complete." in layout.report.read_text()
    assert len(pd.read_csv(layout.results)) == 0
