"""The guided linear learner on a task whose six genes are known."""

import numpy as np
import pytest
from scipy.special import expit

from rnalearner.config import LinearConfig, TaskConfig
from rnalearner.finetune.fewshot import fewshot_task
from rnalearner.finetune.linear import LinearResult, expression, learn_linear, rivals_of
from rnalearner.linear.guided import fit_guided
from rnalearner.linear.scores import brier
from rnalearner.preprocessing.normalize import log2p1_cpm
from rnalearner.shards.read import ShardStore
from tests.toy_mice import IDS, LABELS, PLANTED, TASK, mice, mouse_guide, mouse_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    return mouse_store(tmp_path_factory.mktemp("mice") / "shards")


def learned(
    store: ShardStore, guided: bool = True, task: TaskConfig = TASK, **fields: object
) -> LinearResult:
    config = LinearConfig.model_validate(fields)
    symbols = {PLANTED[0]: "Per1"}
    return learn_linear(
        store, fewshot_task(store, task), mouse_guide() if guided else None, config, symbols=symbols
    )


@pytest.mark.parametrize("guided", [True, False])
def test_three_mice_a_group_are_enough_for_a_planted_signal(store, guided: bool):
    result = learned(store, guided)
    assert (result.run["test_accuracy"], result.run["test_auroc"]) == (1.0, 1.0)
    assert (result.run["guided"], result.run["samples_a_class"]) == (guided, 3)
    assert np.isnan(result.run["validation_accuracy"])


def test_another_cohorts_levels_need_its_own_mean(store):
    """All mice of the new study lie on the side of flight: without centring all are called so."""
    assert learned(store).run["test_accuracy"] == 1.0
    assert learned(store, cohort_centring=False).run["test_accuracy"] == 0.5


def test_the_planted_genes_lead_the_table_with_what_is_known_of_them(store):
    result = learned(store)
    genes = result.genes
    assert set(genes["gene"].head(result.run["genes_used"]).head(3)) <= set(PLANTED)
    assert (genes["rank"] == np.arange(1, len(genes) + 1)).all()
    assert (genes["class"] == "FLT").all()
    assert genes["share"].abs().is_monotonic_decreasing
    assert genes["share"].sum() == pytest.approx(1)
    planted = genes[genes["gene"].isin(PLANTED)]
    assert planted["share"].sum() > 0.8
    assert (np.sign(planted["weight"]) == np.sign(planted["effect"])).all()
    assert (planted["effect"].abs() > 1).all()
    assert (planted["guide"] > 5).all()
    assert genes.loc[genes["gene"] == PLANTED[0], "symbol"].isin(["Per1"]).all()
    assert (genes.loc[genes["gene"] != PLANTED[0], "symbol"] == "").all()


def test_predictions_have_a_row_a_sample_of_every_split(store):
    rows = learned(store).predictions
    assert [row["split"] for row in rows] == ["train"] * 6 + ["test"] * 10
    assert {row["arm"] for row in rows} == {"linear"}
    test = [row for row in rows if row["split"] == "test"]
    assert [row["y"] for row in test] == [int(label == "FLT") for label in LABELS["new"]]
    assert all(row["call"] == row["y"] and row["p0"] + row["p1"] == pytest.approx(1) for row in test)


def test_the_classifier_says_where_it_comes_from(store):
    meta = learned(store).stored.meta
    assert meta["train"]["cohort"] == len(LABELS["old"])
    assert meta["classes"] == ["GC", "FLT"]
    assert meta["guide"]["studies"] == ["s1", "s2"]
    assert learned(store, guided=False).stored.meta["guide"] is None


def test_three_groups_get_weights_and_a_table_each(store):
    task = TaskConfig(name="three", train="old", groups=("FLT", "GC", "VIV"))
    result = learned(store, task=task)
    assert result.run["train_accuracy"] == 1.0
    assert np.isnan(result.run["test_accuracy"])
    assert set(result.genes["class"]) == {"FLT", "GC", "VIV"}
    assert result.genes.groupby("class")["rank"].min().eq(1).all()
    assert "p2" in result.predictions[0]


def test_rivals_are_scored_on_the_same_samples_with_the_same_cohorts(store):
    scores, predictions = rivals_of(store, fewshot_task(store, TASK))
    assert len(scores) == 12
    assert len(predictions) == 12 * len(LABELS["new"])
    assert scores.query("centred and arm == 'lr_l1_c10'")["test_accuracy"].item() == 1.0
    with pytest.raises(ValueError, match="has no test"):
        rivals_of(store, fewshot_task(store, TASK.model_copy(update={"test": None})))


def test_calibrated_probabilities_are_no_worse_than_raw_ones():
    """A weak signal, learned from three mice a group, twenty times over."""
    calibrated, raw = [], []
    labels = ["FLT", "GC"] * 3, ["FLT", "GC"] * 20
    for seed in range(20):
        (x_ng, y_n), (new_mg, new_m) = (
            (log2p1_cpm(mice(of, 2 * seed + side, effect=0.4), np.full(len(of), 1e6)), np.array(of) == "FLT")
            for side, of in enumerate(labels)
        )
        model = fit_guided(
            x_ng, y_n.astype(int), genes=IDS, cohort_mg=x_ng, guide=mouse_guide(), config=LinearConfig()
        )
        columns = [IDS.index(gene) for gene in model.genes]
        new_mg = new_mg[:, columns]
        calibrated.append(brier(new_m, model.probabilities(new_mg, new_mg)))
        raw.append(brier(new_m, expit(model.scores(new_mg, new_mg))))
    assert np.mean(calibrated) <= np.mean(raw) + 1e-9
    assert np.mean(calibrated) < 0.25


def test_expression_is_log2_cpm_whatever_the_scale_of_the_run(store):
    rows = np.arange(3)
    counts_ng, total_n = store.counts(rows)
    np.testing.assert_allclose(expression(store, rows), np.log2(counts_ng + 1), atol=1e-5)
    assert (total_n == 1e6).all()
