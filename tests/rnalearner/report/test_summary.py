import json
from copy import deepcopy

import numpy as np
import pytest

from rnalearner.report.inputs import RunTables, read_phases, read_tables
from rnalearner.report.metrics import accuracy_interval
from rnalearner.report.summary import build_summary, json_safe
from rnalearner.report.verdict import verdict
from tests.rnalearner.report.conftest import write_learner


@pytest.fixture
def summary(run_folder, config):
    return build_summary(config, read_tables(run_folder), read_phases(run_folder))


def test_the_summary_is_plain_json_without_nan(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_the_summary_holds_each_arm_of_each_task(summary):
    task = summary["tasks"]["flight"]
    assert (task["truth"], task["n_test"], task["n_test_unseen"]) == ("signal", 6, 4)
    assert list(task["arms"]) == ["none", "pretrained", "guided"]
    assert task["arms"]["guided"]["test_accuracy"] == accuracy_interval(6, 6).as_dict()
    assert task["arms"]["guided"]["seeds"] == 2
    assert task["arms"]["none"]["test_accuracy_unseen_subjects"]["mean"] == 0.25
    assert list(task["linear"]) == ["lr_l2", "nearest_centroid_centred"]
    assert task["linear"]["nearest_centroid_centred"]["test_brier"] is None


def test_two_classes_have_the_keys_that_programs_know(summary):
    task = summary["tasks"]["flight"]
    assert {"truth", "n_test", "n_test_unseen", "arms", "linear"} <= set(task)
    known = {"test_accuracy", "test_accuracy_unseen_subjects", "test_auroc", "test_brier", "seeds"}
    assert all(known <= set(arm) for arm in [*task["arms"].values(), *task["linear"].values()])
    assert (task["classes"], task["chance"]) == (["GC", "FLT"], 0.5)


def test_three_classes_are_named_and_judged_against_a_third(config, organ_predictions, organ_linear):
    linear, rival_predictions = organ_linear
    organ = {"name": "organ", "train": "OA", "test": "OT", "groups": ["liver", "skin", "brain"]}
    config = config.model_validate(config.model_dump() | {"tasks": [organ | {"truth": "shuffled"}]})
    tables = RunTables(predictions=organ_predictions, rivals=linear, rival_predictions=rival_predictions)
    summary = build_summary(config, tables, {})
    task = summary["tasks"]["organ"]
    assert (task["classes"], task["chance"]) == (["liver", "skin", "brain"], pytest.approx(1 / 3))
    assert task["arms"]["guided"]["test_accuracy"]["mean"] == 0.5
    assert task["arms"]["none"]["test_brier"] == pytest.approx((0.4**2 + 0.3**2 + 0.1**2) / 2)
    assert task["linear"]["nearest_centroid_centred"]["test_auroc"] == 0.75  # only linear.csv can know
    assert "yet none lies off it" in summary["verdict"][1]
    truth = summary["tasks"] | {"organ": task | {"truth": "signal"}}
    assert "of 6 test samples of 3 classes at least 5 must be right" in verdict(summary | {"tasks": truth})[2]


def test_without_test_samples_nothing_was_scored(config, runs):
    summary = build_summary(config, RunTables(runs=runs), {})
    task = summary["tasks"]["untested"]
    assert (task["n_test"], task["linear"]) == (0, {})
    assert task["arms"]["guided"]["test_accuracy"] == {"mean": None, "low": None, "high": None}
    assert task["arms"]["guided"]["train_accuracy"] == pytest.approx(0.95)
    assert task["arms"]["guided"]["validation_accuracy"] is None
    assert summary["tasks"]["flight"]["arms"]["none"]["validation_accuracy"] == 0.5
    assert "on untested nothing was scored: it has no test samples" in summary["verdict"][1]
    assert "nothing to compare them on" in summary["verdict"][2]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_an_adopted_model_is_named_in_place_of_its_scores(config):
    phases = {"pretrain": {"seconds": 1.0, "figures": {"model": "0123456789ab", "name": "osd"}}}
    summary = build_summary(config, RunTables(), phases)
    assert summary["model"] == {"id": "0123456789ab", "name": "osd"}
    assert "taken over from the published model osd (0123456789ab)" in summary["verdict"][0]


def test_the_guided_linear_model_gets_a_line_of_its_own_and_its_genes(run_folder, config):
    write_learner(run_folder)
    summary = build_summary(config, read_tables(run_folder), read_phases(run_folder))
    learner = summary["tasks"]["flight"]["guided_linear"]
    assert learner["test_accuracy"] == accuracy_interval(5, 6).as_dict()
    assert (learner["guided"], learner["genes_used"], learner["samples_a_class"]) == (True, 3, 3)
    assert [gene["symbol"] for gene in learner["genes"]] == ["Gnai3", "NA", ""]
    assert learner["genes"][2]["guide"] is None
    assert summary["verdict"][3] == (
        "Guided linear model: on flight 83 % [36, 100], the best rival (nearest centroid centred) 100 % "
        "[54, 100], intervals overlap, the best encoder arm (guided) 100 % [54, 100], intervals overlap."
    )
    task = summary["tasks"]["flight"] | {
        "arms": {},
        "linear": {},
        "guided_linear": learner | {"guided": False},
    }
    assert verdict(summary | {"tasks": {"flight": task}})[3].endswith(
        "on flight without a guide 83 % [36, 100]."
    )


def test_phases_and_leaks_come_from_the_markers(summary):
    assert summary["phases"]["pretrain"] == {"seconds": 12.5, "steps": 450}
    assert summary["leaks"] == ["flight: 2 of 6 test subjects are also in train (A): m0, m1"]


def test_without_unseen_subjects_the_second_score_is_null(config, predictions):
    tables = RunTables(predictions=predictions.assign(unseen_subject=False))
    arms = build_summary(config, tables, {})["tasks"]["flight"]["arms"]
    assert {arm["test_accuracy_unseen_subjects"] for arm in arms.values()} == {None}


def test_numpy_and_nan_become_plain():
    value = {"a": np.float32("nan"), "b": np.arange(2), "c": (np.bool_(True), float("inf"))}
    assert json_safe(value) == {"a": None, "b": [0, 1], "c": [True, None]}


def test_an_empty_run_still_gets_three_lines(config):
    lines = build_summary(config, RunTables(), {})["verdict"]
    assert len(lines) == 3
    assert "no masked scores" in lines[0]
    assert "no encoder" in lines[1]
    assert "none were run" in lines[2]


def test_six_samples_do_not_part_three_of_six_from_six_of_six(summary):
    # [12, 88] and [54, 100]: they overlap although the means are fifty points apart.
    lines = summary["verdict"]
    assert len(lines) == 3
    assert "none 50 % [12, 88]" in lines[1]
    assert "guided 100 % [54, 100]" in lines[1]
    assert "no arm is shown to be better" in lines[1]


def test_intervals_apart_are_said_to_be_apart(summary):
    task = summary["tasks"]["flight"]
    for arm, right in (("none", 20), ("pretrained", 45), ("guided", 44)):
        task["arms"][arm]["test_accuracy"] = accuracy_interval(right, 50).as_dict()
    line = verdict(summary)[1]
    assert "pretrained above none and guided above none, the others overlap" in line


def test_shuffled_labels_off_chance_are_a_warning(summary):
    summary["tasks"]["flight"]["truth"] = "shuffled"
    line = verdict(summary)[1]
    assert "chance is the right answer, yet guided lies off it" in line
    assert "none were run" in verdict(summary)[2]


def test_the_linear_rival_is_set_against_the_best_arm(summary):
    line = verdict(summary)[2]
    assert "nearest centroid centred 100 % [54, 100] matches guided 100 % [54, 100]" in line
    assert "flatters" in line
    assert "of 6 test samples at least 6 must be right" in line


@pytest.mark.parametrize(
    ("valid_loss", "said"),
    [
        (1.0, "learned 0.30 nats a masked gene beyond each gene's usual level"),
        (1.5, "did not beat what each gene's usual level tells"),
        (2.5, "learned nothing of use"),
    ],
)
def test_pretraining_is_judged_against_both_trivial_predictors(summary, valid_loss, said):
    changed = deepcopy(summary)
    changed["pretraining"]["valid_loss"] = valid_loss
    line = verdict(changed)[0]
    assert said in line
    assert "31 % (2.10)" in line
    assert "55 % (1.30)" in line


@pytest.mark.parametrize(
    ("valid_loss", "said"),
    [
        (1.0, "learned more than the corpus' covariance"),
        (1.5, "learned no more than a linear predictor knows"),
        (2.5, "learned nothing of use"),
    ],
)
def test_pretraining_on_centred_values_is_judged_against_a_linear_predictor(summary, valid_loss, said):
    changed = deepcopy(summary)
    changed["pretraining"] |= {"valid_loss": valid_loss, "values": "interpolated"}
    line = verdict(changed)[0]
    assert said in line
    assert "the study's mean has 2.10, the corpus' covariance 1.30 (55 %)" in line
