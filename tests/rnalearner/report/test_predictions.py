import json

import anndata
import numpy as np
import pandas as pd
import pytest

from rnalearner.config import RunConfig
from rnalearner.report.predictions import prediction_data, write_predictions


def test_every_test_sample_has_each_arms_mean_probability_and_call(tmp_path, predictions, config):
    write_predictions(tmp_path / "p.h5ad", prediction_data(predictions, config, info={"name": "toy"}))
    data = anndata.read_h5ad(tmp_path / "p.h5ad")
    assert data.obs_names.tolist() == [f"flight|s{i}" for i in range(6)]
    assert data.obs_names.is_unique
    own = predictions[(predictions["arm"] == "guided") & (predictions["sample"] == "s3")]
    assert data.obs.loc["flight|s3", "rnalearner_guided_probability"] == pytest.approx(own.p1.mean())
    assert data.obs["rnalearner_guided_call"].tolist() == ["GC", "FLT"] * 3
    assert data.obs["rnalearner_label"].tolist() == ["GC", "FLT"] * 3
    assert (data.obs["rnalearner_none_call"] == data.obs["rnalearner_label"]).sum() == 3
    assert data.obs["subject"].tolist() == [f"m{i}" for i in range(6)]
    assert json.loads(data.uns["rnalearner"]) == {"name": "toy"}
    assert data.n_vars == 0


def test_expression_lies_beside_the_predictions(tmp_path, predictions, config):
    values = pd.DataFrame(
        np.arange(10.0).reshape(5, 2), index=[f"s{i}" for i in range(5)], columns=["ENSMUSG1", "ENSMUSG2"]
    )
    write_predictions(tmp_path / "p.h5ad", prediction_data(predictions, config, values))
    data = anndata.read_h5ad(tmp_path / "p.h5ad")
    assert data.var_names.tolist() == ["ENSMUSG1", "ENSMUSG2"]
    assert data["flight|s4"].X.tolist() == [[8, 9]]
    assert np.isnan(data["flight|s5"].X).all()


def test_an_arm_that_skipped_a_task_says_nothing_there(predictions, config):
    other = predictions[predictions["arm"] == "none"].assign(task="other")
    data = prediction_data(pd.concat([predictions, other]), config)
    assert data.n_obs == 12
    assert np.isnan(data.obs.loc["other|s0", "rnalearner_guided_probability"])
    assert data.obs.loc["other|s0", "rnalearner_guided_call"] == ""
    assert data.obs.loc["other|s1", "rnalearner_label"] == "positive"


def test_three_classes_have_a_probability_each_beside_two_class_tasks(
    tmp_path, predictions, organ_predictions, config
):
    organ = {"name": "organ", "train": "OA", "test": "OT", "groups": ["liver/left", "skin", "brain"]}
    config = RunConfig.model_validate(config.model_dump() | {"tasks": [*config.tasks, organ]})
    both = pd.concat([predictions, organ_predictions])
    write_predictions(tmp_path / "p.h5ad", prediction_data(both, config))
    obs = anndata.read_h5ad(tmp_path / "p.h5ad").obs
    assert obs["rnalearner_label"].tolist()[6:] == ["liver/left", "skin", "brain"] * 2
    assert obs.loc["organ|o3", "rnalearner_guided_call"] == "skin"
    shares = [f"rnalearner_guided_probability_{name}" for name in ("liver_left", "skin", "brain")]
    assert obs.loc["organ|o3", shares].tolist() == pytest.approx([0.1, 0.6, 0.3])
    assert obs.loc["flight|s0", shares].isna().all()
    assert np.isnan(obs.loc["organ|o3", "rnalearner_guided_probability"])
    assert obs.loc["flight|s0", "rnalearner_guided_probability"] < 0.5


def test_columns_of_a_two_class_task_are_the_ones_people_know(predictions, config):
    names = ["rnalearner_task", "sample", "study", "subject", "rnalearner_label", "rnalearner_unseen_subject"]
    arms = ("none", "pretrained", "guided")
    names += [f"rnalearner_{arm}_{what}" for arm in arms for what in ("probability", "call")]
    assert prediction_data(predictions, config).obs.columns.tolist() == names
