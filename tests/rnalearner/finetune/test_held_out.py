"""A task without a test: its training samples, each predicted by a model that never saw its subject."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from rnalearner.config import LinearConfig, TaskConfig
from rnalearner.finetune.fewshot import fewshot_task
from rnalearner.finetune.held_out import held_out, turns_of
from rnalearner.finetune.linear import LinearResult, expression, learn_linear, rivals_of, study_rows
from rnalearner.linear.guided import fit_guided
from rnalearner.shards.read import ShardStore
from tests.toy_mice import IDS, mouse_guide, mouse_store

ALONE = TaskConfig(name="flight", train="new")
"""Five mice a group, and nobody else."""
CONFIG = LinearConfig()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    return mouse_store(tmp_path_factory.mktemp("mice") / "shards")


@pytest.fixture(scope="module")
def result(store: ShardStore) -> LinearResult:
    return learn_linear(store, fewshot_task(store, ALONE), mouse_guide(), CONFIG)


def test_a_planted_signal_is_found_in_samples_that_were_held_out(result: LinearResult):
    assert (result.run["held_out_accuracy"], result.run["held_out_auroc"]) == (1.0, 1.0)
    assert np.isnan(result.run["test_auroc"])
    assert result.run["no_estimate"] == ""


def test_every_training_sample_has_a_row_as_itself_and_one_as_held_out(result: LinearResult):
    rows = pd.DataFrame(result.predictions)
    assert rows["split"].tolist() == ["train"] * 10 + ["held_out"] * 10
    own, turned = (rows[rows["split"] == split].reset_index(drop=True) for split in ("train", "held_out"))
    same = ["sample", "subject", "study", "y"]
    pd.testing.assert_frame_equal(own[same], turned[same])
    assert not np.allclose(own["p1"], turned["p1"])
    assert turned["unseen_subject"].all()
    np.testing.assert_allclose(rows[["coverage", "weight_measured"]], 1)


def test_a_held_out_label_changes_nothing_that_is_said_of_it(store: ShardStore):
    task = fewshot_task(store, ALONE)
    x_ng, cohort_mg = expression(store, task.train.rows), expression(store, study_rows(store, "new"))
    fit = partial(fit_guided, genes=IDS, cohort_mg=cohort_mg, guide=mouse_guide(), config=CONFIG)
    found, _ = turns_of(task, CONFIG.seed)
    y_n = task.train.y_n
    for turn in found[:4]:
        flipped_n = y_n.copy()
        flipped_n[turn.held] = 1 - y_n[turn.held]
        said, again = (
            held_out(fit, x_ng, labels_n, [turn], store.gene_set, cohort_mg) for labels_n in (y_n, flipped_n)
        )
        np.testing.assert_array_equal(said.probability_nc[turn.held], again.probability_nc[turn.held])
        assert np.isnan(said.probability_nc[turn.others]).all()


def test_rivals_are_scored_in_the_same_turns(store: ShardStore, result: LinearResult):
    scores, predictions = rivals_of(store, fewshot_task(store, ALONE), result.turns)
    assert (scores["split"] == "held_out").all()
    assert (predictions["split"] == "held_out").all()
    assert (len(scores), len(predictions)) == (12, 120)
    assert scores.query("centred and arm == 'lr_l1_c10'")["test_auroc"].item() == 1.0
    samples = [row["sample"] for row in result.predictions if row["split"] == "held_out"]
    one = predictions.query("centred and arm == 'lr_l1_c10'")
    assert one["sample"].tolist() == samples
    assert ((one["p1"] > 0.5) == (one["y"] == 1)).all()


def test_a_task_with_a_test_holds_nobody_out(store: ShardStore):
    task = fewshot_task(store, TaskConfig(name="flight", train="old", test="new"))
    held = learn_linear(store, task, None, CONFIG)
    assert held.turns == []
    assert {row["split"] for row in held.predictions} == {"train", "test"}
    assert np.isnan(held.run["held_out_auroc"])


def test_a_guide_that_has_seen_the_study_allows_no_estimate(store: ShardStore):
    task = fewshot_task(store, ALONE)
    guide = mouse_guide()
    guide.meta["studies"].append("new")
    result = learn_linear(store, task, guide, CONFIG)
    assert result.turns == []
    assert result.run["no_estimate"].startswith("the gene guide learned from new itself")
    assert learn_linear(store, task, None, CONFIG).run["no_estimate"] == ""


def test_three_groups_are_held_out_as_well(store: ShardStore):
    """Of two mice of a group one is left."""
    task = fewshot_task(store, TaskConfig(name="three", train="old", groups=("FLT", "GC", "VIV")))
    result = learn_linear(store, task, mouse_guide(), CONFIG)
    turned = pd.DataFrame([row for row in result.predictions if row["split"] == "held_out"])
    assert len(turned) == 8
    np.testing.assert_allclose(turned[["p0", "p1", "p2"]].sum(axis=1), 1)
    assert [len(turn.others) for turn in result.turns] == [5] * 8
    scores, _ = rivals_of(store, task, result.turns)
    assert scores["test_auroc"].notna().all()


def test_where_a_group_has_one_subject_there_is_no_estimate(make_store):
    labels = (["FLT"] * 3 + ["GC"] * 3, ["m1"] * 3 + ["m2", "m3", "m4"])
    store = make_store({"A": labels})
    task = fewshot_task(store, TaskConfig(name="t", train="A"))
    result = learn_linear(store, task, None, CONFIG)
    assert result.turns == []
    assert "no sample of FLT is left to learn from" in result.run["no_estimate"]
    assert {row["split"] for row in result.predictions} == {"train"}
