import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from rnalearner.errors import LabelError
from rnalearner.linear.arms import ARMS, fit_predict
from rnalearner.linear.rivals import score_rivals
from rnalearner.linear.scores import accuracy, auroc, brier


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def three_groups(rng, n_each=6, n_genes=300):
    """log2(CPM + 1) of three groups: in each, thirty genes of its own are moved, half up and half down."""
    y_n = np.repeat([0, 1, 2], n_each)
    x_ng = 8 + 0.7 * rng.normal(size=(3 * n_each, n_genes))
    for k in range(3):
        x_ng[y_n == k, 30 * k : 30 * (k + 1)] += np.tile([3, -3], 15)
    return np.maximum(x_ng, 0), y_n


@pytest.mark.parametrize(("arm", "centred"), list(itertools.product(ARMS, (False, True))))
def test_every_arm_tells_three_classes_apart(rng, arm, centred):
    (x_train, y_train), (x_test, y_test) = three_groups(rng), three_groups(rng)
    score, probability = fit_predict(arm, x_train, y_train, x_test, centred=centred)
    assert score.shape == (18, 3)
    assert accuracy(y_test, score.argmax(1)) > 0.9
    assert auroc(y_test, score) > 0.95
    if probability is not None:
        assert probability.sum(1) == pytest.approx(1)
        assert (probability.argmax(1) == score.argmax(1)).all()


def test_the_multinomial_from_all_genes_is_the_one_from_the_span_of_the_samples(rng):
    (x_train, y_train), (x_test, _) = three_groups(rng), three_groups(rng)
    _, probability = fit_predict("lr_l2", x_train, y_train, x_test)
    mean, sd = x_train.mean(0), x_train.std(0)
    direct = LogisticRegression(C=1, max_iter=5000, tol=1e-8).fit((x_train - mean) / sd, y_train)
    np.testing.assert_allclose(probability, direct.predict_proba((x_test - mean) / sd), atol=1e-4)


def test_each_class_of_the_lasso_is_the_two_class_lasso_against_the_rest(rng):
    (x_train, y_train), (x_test, _) = three_groups(rng), three_groups(rng)
    score, _ = fit_predict("lr_l1", x_train, y_train, x_test)
    alone, _ = fit_predict("lr_l1", x_train, (y_train == 2).astype(int), x_test)
    np.testing.assert_array_equal(score[:, 2], alone)


def test_the_nearest_of_three_means_is_called():
    x_train = np.array([[9.0, 1, 1], [1, 9, 1], [1, 1, 9]])
    score, probability = fit_predict("nearest_centroid", x_train, np.arange(3), np.array([[1.0, 2, 8]]))
    assert score.tolist() == [[-(64 + 1 + 49), -(0 + 49 + 49), -(0 + 1 + 1)]]
    assert probability is None


def test_three_neighbours_of_three_classes_are_settled_by_the_nearest():
    x_train = np.array([[9.0, 1, 1], [1, 9, 1], [1, 1, 9], [1, 1, 2]])
    score, vote = fit_predict("knn_3", x_train, np.array([0, 1, 2, 2]), np.array([[2.0, 1, 9]]))
    assert vote is not None
    assert vote.sum() == pytest.approx(1)
    assert score.argmax() == 2
    _, one_neighbour = fit_predict("knn_3", x_train[:3], np.arange(3), np.array([[1.0, 9, 2]]))
    assert one_neighbour.tolist() == [[0, 1, 0]]


def test_signatures_of_high_and_of_low_genes_are_measured_from_the_same_level(rng):
    (x_train, y_train), (x_test, y_test) = three_groups(rng), three_groups(rng)
    level_g = np.linspace(0, 6, x_train.shape[1])
    score, _ = fit_predict("t_signature_100", x_train + level_g, y_train, x_test + level_g)
    assert accuracy(y_test, score.argmax(1)) == 1


def test_identical_training_samples_leave_each_class_a_third():
    _, probability = fit_predict("lr_l2", np.full((3, 4), 4.0), np.arange(3), np.full((2, 4), 5.0))
    assert probability == pytest.approx(1 / 3)


def test_a_class_number_left_out_is_named(rng):
    x, y = three_groups(rng)
    with pytest.raises(LabelError, match=r"labels \[0, 2\]"):
        fit_predict("lr_l2", x[y != 1], y[y != 1], x)


def test_scores_of_three_classes_are_scikit_learns(rng):
    y = np.repeat([0, 1, 2], 5)
    probability = rng.dirichlet(np.ones(3), size=15)
    assert auroc(y, probability) == pytest.approx(roc_auc_score(y, probability, multi_class="ovr"))
    assert brier(y, probability) == pytest.approx(brier_score_loss(y, probability, scale_by_half=True))


def test_scores_of_two_columns_are_those_of_the_second_to_the_last_bit(rng):
    y, positive = np.tile([0, 1], 6), rng.uniform(size=12).astype(np.float32)
    both = np.column_stack([1 - positive, positive])
    assert auroc(y, both) == auroc(y, positive)
    assert brier(y, both) == brier(y, positive)


def test_classes_without_a_sample_are_left_out_of_the_auroc():
    score = np.array([[3.0, 1, 9], [1, 2, 0], [2, 3, 0]])
    assert auroc(np.array([0, 1, 1]), score) == 1
    assert np.isnan(auroc(np.array([1, 1, 1]), score))


def test_the_rivals_tables_hold_a_probability_a_class(rng):
    (x_train, y_train), (x_test, y_test) = three_groups(rng), three_groups(rng)
    samples = pd.DataFrame({"sample": [f"s{i}" for i in range(18)], "subject": "m", "unseen_subject": True})
    linear, predictions = score_rivals("t", x_train, y_train, x_test, y_test, samples)
    assert len(predictions) == 18 * len(linear) == 18 * 2 * len(ARMS)
    assert predictions["score"].isna().all()
    logistic = predictions[(predictions.arm == "lr_l2") & ~predictions.centred]
    assert (logistic[["p0", "p1", "p2"]].to_numpy().argmax(1) == logistic.call).all()
    assert predictions[predictions.arm == "t_signature_100"][["p0", "p1", "p2"]].isna().all(axis=None)
    assert linear["test_auroc"].notna().all()
    means = (
        predictions.assign(right=predictions.call == predictions.y).groupby(["arm", "centred"]).right.mean()
    )
    for row in linear.itertuples():
        assert row.test_accuracy == means[row.arm, row.centred]
