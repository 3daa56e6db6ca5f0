"""What a page is given to show: calls, scores and genes of a small run, worked out by hand."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from rnalearner.config import TaskConfig
from rnalearner.finetune.predict import Answers
from rnalearner.report.answers import MOST_GENES, gene_rows, predict_answers, report_answers
from rnalearner.report.called import called
from rnalearner.report.inputs import read_phases, read_tables
from rnalearner.report.metrics import accuracy_interval
from rnalearner.report.page import write_report
from rnalearner.report.summary import build_summary
from tests.rnalearner.report.conftest import write_learner


def told(run_folder, config, cohorts=None):
    tables = read_tables(run_folder)
    summary = build_summary(config, tables, read_phases(run_folder))
    return report_answers(config, tables, summary, cohorts)["tasks"]["flight"]


def hold_out(run_folder, **changed) -> pd.DataFrame:
    """The learner's test samples, as if they had been held out in turn; no other table has a test."""
    path = run_folder.linear("predictions")
    table = pd.read_csv(path)
    table["split"] = table["split"].replace("test", "held_out")
    table.assign(**changed).to_csv(path, index=False)
    arms = pd.read_csv(run_folder.finetune("predictions")).query("split == 'train'")
    arms.to_csv(run_folder.finetune("predictions"), index=False)
    path = run_folder.linear("rival_predictions")
    rivals = pd.read_csv(path).assign(split="held_out", arm="lr_l1_c10", centred=True).iloc[6:]
    rivals.assign(p0=0.3, p1=0.7).to_csv(path, index=False)
    return table


def test_each_sample_has_its_label_call_and_probabilities(run_folder, config):
    write_learner(run_folder)
    task = told(run_folder, config)
    assert (task["classes"], task["scored_on"], task["no_estimate"]) == (["GC", "FLT"], "test", None)
    assert task["main"] == {"arm": "linear", "name": "guided linear"}
    assert task["rival"] is None  # this run's rivals are others
    assert [sample["sample"] for sample in task["samples"]] == [f"s{i}" for i in range(6)]
    last = task["samples"][5]  # the one that is called wrong
    assert (last["label"], last["call"], last["rival_call"]) == ("FLT", "GC", None)
    assert (last["study"], last["subject"]) == ("T", "m5")
    assert last["probability"] == pytest.approx([0.65, 0.35])
    first = task["samples"][0]
    assert (first["abstained"], first["reason"]) == (False, "")


def test_scores_stand_with_their_intervals_the_main_model_first(run_folder, config):
    write_learner(run_folder)
    scores = told(run_folder, config)["scores"]
    assert [(row["name"], row["role"]) for row in scores] == [
        ("guided linear", "main"),
        *((arm, "arm") for arm in ("none", "pretrained", "guided")),
        *((arm, "rival") for arm in ("LR-L2", "nearest centroid, centred")),
    ]
    assert scores[0]["accuracy"] == accuracy_interval(5, 6).as_dict()
    assert scores[0]["auroc"]["low"] < scores[0]["auroc"]["mean"] <= scores[0]["auroc"]["high"]


def test_a_page_can_read_it_without_numpy(run_folder, config):
    write_learner(run_folder)
    write_report(run_folder, config)
    written = json.loads(run_folder.report_answers.read_text())
    assert written["name"] == "toy"
    assert written["tasks"]["flight"] == told(run_folder, config)
    genes = written["tasks"]["flight"]["genes"]
    assert [gene["symbol"] for gene in genes] == ["Gnai3", "NA", ""]
    assert genes[2]["guide"] is None


def test_samples_held_out_are_scored_where_there_is_no_test(run_folder, config, runs):
    write_learner(run_folder)
    runs[runs["task"] == "flight"].to_csv(run_folder.finetune("runs"), index=False)
    hold_out(run_folder)
    task = told(run_folder, config)
    assert task["scored_on"] == "held out in turn"
    assert [(row["name"], row["n"]) for row in task["scores"]] == [
        ("guided linear", 6),
        ("LR-L1 (C = 10), centred", 6),
    ]
    assert task["rival"]["arm"] == "lr_l1_c10"
    assert [sample["rival_call"] for sample in task["samples"]] == ["GC", "FLT"] * 3
    summary = build_summary(config, read_tables(run_folder), read_phases(run_folder))
    line = summary["verdict"]
    assert "on flight no arm was scored: it has no test samples" in line[1]
    assert "of 6 samples held out in turn at least 6 must be right" in line[2]
    assert "on flight (samples held out in turn) 83 % [36, 100]" in line[3]
    page = write_report(run_folder, config).read_text()
    assert "6 samples held out in turn" in page
    assert anndata.read_h5ad(run_folder.report / "predictions.h5ad").n_obs == 6


def test_why_nothing_could_be_held_out_is_said(run_folder, config):
    write_learner(run_folder)
    hold_out(run_folder)
    for path in (run_folder.linear("predictions"), run_folder.linear("rival_predictions")):
        table = pd.read_csv(path)
        table[table["split"] == "train"].to_csv(path, index=False)
    run_folder.linear("rival_predictions").unlink()
    runs = pd.read_csv(run_folder.linear("runs"))
    runs.assign(no_estimate="no sample of FLT is left").to_csv(run_folder.linear("runs"), index=False)
    task = told(run_folder, config)
    assert (task["scored_on"], task["no_estimate"]) == (None, "no sample of FLT is left")
    assert (task["main"], task["samples"], task["scores"]) == (None, [], [])
    page = write_report(run_folder, config).read_text()
    assert "none could be held out: no sample of FLT is left" in page


@pytest.mark.parametrize(
    ("changed", "cohort", "reason"),
    [
        ({"coverage": 0.4}, 6, "40% of the model's genes are measured, fewer than 50%"),
        ({"coverage": 1.0, "weight_measured": 0.2}, 6, "the genes measured carry 20% of the model's weight"),
        ({"p0": 0.45, "p1": 0.55}, 6, "the likeliest class has a probability of 0.55, below 0.60"),
    ],
)
def test_a_call_is_abstained_from_as_predict_would(run_folder, config, changed, cohort, reason):
    write_learner(run_folder)
    hold_out(run_folder, **changed)
    samples = told(run_folder, config, {"T": cohort})["samples"]
    assert all(reason in sample["reason"] and sample["abstained"] for sample in samples)


def test_unlabelled_samples_beside_them_make_a_cohort_large_enough(run_folder, config):
    write_learner(run_folder)
    table = hold_out(run_folder)
    few = table[table["sample"].isin(["s0", "s1", "s2"])]
    few.to_csv(run_folder.linear("predictions"), index=False)
    alone = told(run_folder, config, {"T": 3})["samples"]
    assert all("a cohort of 3 is too small" in sample["reason"] for sample in alone)
    assert not any(sample["abstained"] for sample in told(run_folder, config, {"T": 4})["samples"])


def test_without_the_linear_learner_the_last_arm_is_the_main_one(run_folder):
    main = called(read_tables(run_folder), "flight")
    assert (main.arm, main.p_snc.shape) == ("guided", (2, 6, 2))
    assert called(read_tables(run_folder), "another") is None


def test_no_more_genes_are_told_than_a_page_shows():
    genes = {"task": "t", "class": np.repeat(["a", "b"], 80), "rank": np.tile(np.arange(1, 81), 2)}
    told = dict.fromkeys(("gene", "symbol"), "")
    told |= dict.fromkeys(("weight", "guide", "effect", "share"), 0.0)
    rows = gene_rows(pd.DataFrame(genes | told), "t")
    assert len(rows) == MOST_GENES
    assert {row["class"] for row in rows} == {"a", "b"}
    assert gene_rows(None, "t") == []


@pytest.fixture
def new_mice() -> Answers:
    """Three new samples, the last of which was not asked."""
    p1 = np.array([0.9, 0.2, np.nan])
    added = {"call": ["FLT", "GC", ""], "probability_GC": 1 - p1, "probability_FLT": p1}
    added |= {"abstained": [False, False, True], "reason": ["", "", "expresses 3 genes, fewer than 200"]}
    added |= {f"rival_centred_{name}": added[name] for name in ("call", "probability_GC", "probability_FLT")}
    obs = pd.DataFrame(
        {f"rnalearner_{name}": value for name, value in added.items()}, index=["n1", "n2", "n3"]
    )
    info = {"task": "flight", "method": "linear", "arm": "linear", "classes": ["GC", "FLT"]}
    return Answers(obs.assign(group=["flown", "ground", "flown"]), np.zeros((3, 1)), ("g",), info)


def test_new_samples_have_the_same_shape(new_mice, run_folder, config):
    write_learner(run_folder)
    new = predict_answers(new_mice, None, read_tables(run_folder).guided_genes)["tasks"]["flight"]
    known = told(run_folder, config)
    assert new.keys() == known.keys()
    assert new["samples"][0].keys() == known["samples"][0].keys()
    assert (new["scored_on"], new["scores"]) == (None, [])
    assert new["samples"][2] == {
        "sample": "n3",
        "study": None,
        "subject": None,
        "label": None,
        "call": None,
        "probability": [None, None],
        "abstained": True,
        "reason": "expresses 3 genes, fewer than 200",
        "rival_call": None,
    }
    assert new["genes"] == known["genes"]


def test_new_samples_whose_sheet_names_their_groups_are_scored(new_mice):
    task = TaskConfig(name="flight", train="A", column="group", positive=("flown",), negative=("ground",))
    new = predict_answers(new_mice, task, None)["tasks"]["flight"]
    assert [sample["label"] for sample in new["samples"]] == ["FLT", "GC", "FLT"]
    assert new["scored_on"] == "sheet"
    assert [(row["role"], row["n"]) for row in new["scores"]] == [("main", 2), ("rival", 2)]
    assert new["scores"][0]["accuracy"] == accuracy_interval(2, 2).as_dict()
