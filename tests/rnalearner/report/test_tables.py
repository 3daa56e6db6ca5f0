import numpy as np
import pandas as pd
import pytest

from rnalearner.errors import InputError
from rnalearner.layout import RunLayout
from rnalearner.report.classes import probabilities
from rnalearner.report.inputs import SCHEMAS, read_json, read_phases, read_table, read_tables
from rnalearner.report.metrics import accuracy_interval
from rnalearner.report.tables import arm_table, masked_table, rival_table, scouts_table


def test_the_arms_stand_in_the_papers_order_whatever_the_rows(predictions):
    shuffled = predictions.sample(frac=1, random_state=1)
    assert arm_table(shuffled)["arm"].tolist() == ["none", "pretrained", "guided"]


def test_each_arm_has_its_accuracy_and_exact_interval(predictions):
    table = arm_table(predictions).set_index("arm")
    for arm, right in (("none", 3), ("pretrained", 5), ("guided", 6)):
        expected = accuracy_interval(right, 6)
        assert tuple(table.loc[arm, ["accuracy", "low", "high"]]) == tuple(expected.as_dict().values())
    assert table["n_test"].tolist() == [6, 6, 6]
    assert table["seeds"].tolist() == [2, 2, 2]
    assert table.loc["guided", "auroc"] == 1


def test_samples_of_seen_subjects_are_left_out_of_the_second_score(predictions):
    table = arm_table(predictions).set_index("arm")
    assert table.loc["none", "unseen_n_test"] == 4
    assert table.loc["none", "unseen_accuracy"] == 1 / 4  # s0 to s2 are right, s0 and s1 are seen


def test_no_unseen_subject_gives_no_second_score(predictions):
    table = arm_table(predictions.assign(unseen_subject=False))
    assert (table["unseen_n_test"] == 0).all()
    assert table["unseen_accuracy"].isna().all()


def test_linear_arms_are_called_by_the_sign_of_their_score(rival_predictions):
    table = rival_table(rival_predictions).set_index("arm")
    assert table["accuracy"].to_dict() == {"lr_l2": 0, "nearest_centroid": 1}
    assert table["centred"].to_dict() == {"lr_l2": False, "nearest_centroid": True}
    assert table.loc["lr_l2", "brier"] == pytest.approx((0.4**2 + 0.6**2) / 2)
    assert np.isnan(table.loc["nearest_centroid", "brier"])


def test_three_classes_are_scored_by_their_own_columns(predictions, organ_predictions):
    both = pd.concat([predictions, organ_predictions])  # flight has no p2
    table = arm_table(both).set_index(["task", "arm"])
    assert table.loc["organ", "n_classes"].tolist() == [3, 3]
    assert table.loc["flight", "n_classes"].tolist() == [2, 2, 2]
    assert table.loc[("organ", "none"), ["accuracy", "auroc"]].tolist() == [1, 1]
    assert table.loc[("organ", "guided"), "accuracy"] == 0.5
    alone = arm_table(predictions)
    pd.testing.assert_frame_equal(arm_table(both)[:3], alone)


def test_a_third_class_is_read_back_as_figures(tmp_path, predictions, organ_predictions):
    pd.concat([predictions, organ_predictions]).to_csv(tmp_path / "predictions.csv", index=False)
    table = read_table(tmp_path / "predictions.csv", SCHEMAS["predictions"].split())
    assert table["p2"].dtype == float
    assert table["p2"].isna().sum() == len(predictions)
    assert probabilities(table[table["task"] == "organ"]).shape == (12, 3)
    assert probabilities(table[table["task"] == "flight"]).shape[1] == 2


def test_masked_scores_stand_beside_both_trivial_predictors(pretrain):
    table = masked_table(pretrain)
    best = pretrain.sort_values("valid_loss").iloc[0]
    assert table.iloc[0].tolist() == [
        f"encoder, step {int(best.step)}",
        best.valid_accuracy,
        best.valid_loss,
    ]
    assert table["accuracy"].tolist()[1:] == [0.31, 0.55]
    assert table["loss"].tolist()[1:] == [2.1, 1.3]


def test_scores_of_centred_values_name_their_own_predictors(pretrain):
    table = masked_table(pretrain.assign(model_values="interpolated"))
    assert table["predictor"].tolist()[1:] == ["the study's own mean", "the corpus' covariance"]
    assert table["loss"].tolist()[1:] == [2.1, 1.3]


def test_scouts_say_how_much_of_all_movement_is_theirs(scouts):
    table = scouts_table(scouts)
    assert table["scout_id"].tolist() == [1, 0, 2]
    assert table["share"].tolist()[:2] == pytest.approx([0.9, 0.1])
    assert table["failed"].tolist() == ["", "", "out of memory"]


def test_names_that_look_like_numbers_stay_text(tmp_path):
    (tmp_path / "t.csv").write_text("sample,unseen_subject,score\n007,True,\nNA,False,2\n")
    table = read_table(tmp_path / "t.csv", ["sample", "unseen_subject", "score"])
    assert table["sample"].tolist() == ["007", "NA"]
    assert table["unseen_subject"].tolist() == [True, False]
    assert np.isnan(table["score"][0])


def test_a_missing_column_and_a_damaged_file_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("sample\ns0\n")
    with pytest.raises(InputError, match="'arm'"):
        read_table(tmp_path / "t.csv", ["sample", "arm"])
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match=r"empty\.csv"):
        read_table(tmp_path / "empty.csv", ["sample"])
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(InputError, match=r"t\.json"):
        read_json(tmp_path / "t.json")


def test_phases_that_have_not_run_are_none(run_folder, tmp_path):
    tables = read_tables(run_folder)
    assert tables.predictions is not None
    assert tables.runs is None
    assert list(read_phases(run_folder)) == ["pretrain", "finetune"]
    assert read_tables(RunLayout(tmp_path / "nowhere")).pretrain is None
