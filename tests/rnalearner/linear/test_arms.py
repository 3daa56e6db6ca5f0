import importlib.util
import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from rnalearner.errors import CountsError, LabelError, RecipeError
from rnalearner.linear.arms import ARMS, fit_predict
from rnalearner.linear.expression import ranks, usable_genes
from rnalearner.linear.rivals import score_rivals
from rnalearner.linear.scores import accuracy, auroc, brier


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def two_groups(rng, n_each=6, n_genes=300):
    """log2(CPM + 1) of two groups: of the first thirty genes half rise and half fall."""
    y_n = np.repeat([0, 1], n_each)
    x_ng = 8 + 0.7 * rng.normal(size=(2 * n_each, n_genes))
    x_ng[y_n == 1, :30] += np.tile([3, -3], 15)
    return np.maximum(x_ng, 0), y_n


@pytest.mark.parametrize(("arm", "centred"), list(itertools.product(ARMS, (False, True))))
def test_every_arm_finds_a_strong_signal(rng, arm, centred):
    (x_train, y_train), (x_test, y_test) = two_groups(rng), two_groups(rng)
    score, probability = fit_predict(arm, x_train, y_train, x_test, centred=centred)
    assert auroc(y_test, score) > 0.95
    assert not centred or accuracy(y_test, score > 0) > 0.9
    assert probability is None or ((probability > 0.5) == (score > 0)).all()


def test_centring_undoes_a_batch_effect_that_shifts_the_threshold(rng):
    (x_train, y_train), (x_test, y_test) = two_groups(rng), two_groups(rng)
    x_test[:, :30:2] += 5
    plain, _ = fit_predict("lr_l2", x_train, y_train, x_test)
    centred, _ = fit_predict("lr_l2", x_train, y_train, x_test, centred=True)
    assert auroc(y_test, plain) == 1
    assert accuracy(y_test, plain > 0) == 0.5
    assert accuracy(y_test, centred > 0) == 1


def test_the_same_answer_comes_from_all_genes_as_from_the_span_of_the_samples(rng):
    (x_train, y_train), (x_test, _) = two_groups(rng), two_groups(rng)
    score, _ = fit_predict("lr_l2", x_train, y_train, x_test)
    mean, sd = x_train.mean(0), x_train.std(0)
    direct = LogisticRegression(C=1, max_iter=5000, tol=1e-8).fit((x_train - mean) / sd, y_train)
    np.testing.assert_allclose(score, direct.decision_function((x_test - mean) / sd), atol=1e-4)


def test_the_t_signature_of_one_sample_a_group_uses_the_difference():
    x_train = np.array([[3.0, 3, 3], [9, 3, 2]])
    score, probability = fit_predict("t_signature_100", x_train, np.array([0, 1]), np.array([[7.0, 3, 5]]))
    assert score == pytest.approx([(7 - 5) / 100])  # plus the first gene, minus the third
    assert probability is None


def test_one_sample_a_group_leaves_one_neighbour():
    x_train = np.array([[1.0, 2, 3], [3, 2, 1]])
    score, vote = fit_predict("knn_3", x_train, np.array([0, 1]), np.array([[3.0, 2.5, 2], [1, 2, 4]]))
    assert vote.tolist() == [1, 0]
    assert (score > 0).tolist() == [True, False]


def test_genes_not_measured_everywhere_and_silent_genes_are_left_out():
    train = np.array([[5.0, np.nan, 0.1, 1.2], [5, 5, 0.1, 1.2]])
    test = np.array([[5.0, 5, 0.1, 0.9]])
    mean_cpm = (2 * (2**1.2 - 1) + 2**0.9 - 1) / 3
    assert mean_cpm > 1
    assert usable_genes(train, test).tolist() == [True, False, False, True]
    assert usable_genes(train, test, min_cpm=0).tolist() == [True, False, True, True]


def test_an_unmeasured_gene_changes_nothing(rng):
    (x_train, y_train), (x_test, _) = two_groups(rng), two_groups(rng)
    expected, _ = fit_predict("lr_l2", x_train[:, 1:], y_train, x_test[:, 1:])
    x_test[3, 0] = np.nan
    score, _ = fit_predict("lr_l2", x_train, y_train, x_test)
    np.testing.assert_allclose(score, expected)


def test_the_cohort_gives_the_means(rng):
    (x_train, y_train), (x_test, _) = two_groups(rng), two_groups(rng)
    cohort = np.vstack([x_test, x_test[:1] + 1])
    expected, _ = fit_predict(
        "nearest_centroid", x_train - x_train.mean(0) + 9, y_train, x_test - cohort.mean(0) + 9
    )
    score, _ = fit_predict("nearest_centroid", x_train, y_train, x_test, centred=True, test_cohort_mg=cohort)
    np.testing.assert_allclose(score, expected, atol=1e-9)


def test_ties_share_their_mean_rank():
    assert ranks(np.array([[4.0, 1, 4, 9]])).tolist() == [[2.5 / 4, 0.25, 2.5 / 4, 1]]


def test_identical_training_samples_say_nothing():
    score, probability = fit_predict("lr_l2", np.full((2, 3), 4.0), np.array([0, 1]), np.full((2, 3), 5.0))
    assert score.tolist() == [0, 0]
    assert probability is not None
    assert probability.tolist() == [0.5, 0.5]


def test_bad_input_is_named(rng):
    x, y = two_groups(rng)
    with pytest.raises(RecipeError, match="lr_l3"):
        fit_predict("lr_l3", x, y, x)
    with pytest.raises(LabelError, match=r"labels \[1.0\]"):
        fit_predict("lr_l2", x, np.ones(len(x)), x)
    with pytest.raises(CountsError, match="no gene"):
        fit_predict("lr_l2", x, y, np.full_like(x, np.nan))
    with pytest.raises(CountsError, match="299"):
        fit_predict("lr_l2", x, y, x[:, 1:])


def test_scores_of_missing_things_are_missing():
    assert np.isnan(auroc(np.ones(3), np.arange(3)))
    assert np.isnan(brier(np.ones(3), None))
    assert brier(np.array([1, 0]), np.array([0.5, 0.0])) == 0.125
    assert auroc(np.array([0, 1, 0, 1]), np.array([1.0, 2, 2, 3])) == 0.875


def test_the_rivals_fill_both_tables(rng):
    (x_train, y_train), (x_test, y_test) = two_groups(rng), two_groups(rng)
    samples = pd.DataFrame({"sample": [f"s{i}" for i in range(12)], "subject": "m", "unseen_subject": True})
    linear, predictions = score_rivals("t", x_train, y_train, x_test, y_test, samples)
    assert list(linear) == ["task", "split", "arm", "centred", "test_accuracy", "test_auroc", "test_brier"]
    assert len(linear) == 2 * len(ARMS)
    assert len(predictions) == 12 * len(linear)
    one = predictions[(predictions.arm == "lr_l1") & predictions.centred]
    said = linear[(linear.arm == "lr_l1") & linear.centred].iloc[0]
    assert said.test_accuracy == accuracy(one.y.to_numpy(), one.score.to_numpy() > 0)
    assert (one.call == (one.score > 0)).all()
    assert said.test_brier == pytest.approx(((one.p1 - one.y) ** 2).mean())
    assert (one.p0 + one.p1).to_numpy() == pytest.approx(1)
    assert predictions[predictions.arm == "nearest_centroid"][["p0", "p1"]].isna().all(axis=None)


THEIRS = {
    ("lr_l2", False): "lr_l2_std",
    ("lr_l2", True): "lr_l2_std_c",
    ("lr_l1", True): "lr_l1_c",
    ("lr_l1_c10", True): "lr_l1_c_C10",
    ("nearest_centroid", True): "nc_c",
    ("t_signature_100", True): "tsig100_c",
    ("knn_3", True): "knn3_c",
}


@pytest.mark.parametrize("task", ["A", "A->B"])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_arms_agree_with_the_independent_instrument(shared_data, tmp_path, task, k):
    path = shared_data.parent / "tools" / "fewshot_baselines.py"
    if not path.exists():
        pytest.skip(f"needs the independent instrument {path}")
    spec = importlib.util.spec_from_file_location("fewshot_baselines", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    compendium = tool.Compendium([shared_data / "compendium"])
    tasks = pd.read_csv(shared_data / "compendium" / "tasks.csv")
    arrow = tasks.study.str.contains("->")
    row = next(tasks[arrow if task == "A->B" else ~arrow].itertuples(index=False))
    train, test = tool.load_task(compendium, row, 1.0)
    chosen, scored = tool.draws(row.task, k, train, test, 1)[0]
    # Ours starts from all shared genes, and finds the expressed ones itself.
    genes = train["cpm"].columns.intersection(test["cpm"].columns, sort=False)
    whole_train, whole_test = (np.log2(side["cpm"][genes].to_numpy() + 1) for side in (train, test))
    y = train["y"][chosen]
    for (arm, centred), name in THEIRS.items():
        expected, expected_probability = tool.predict(name, train, test, chosen, scored, y, None)
        score, probability = fit_predict(
            arm,
            whole_train[chosen],
            y,
            whole_test[scored],
            centred=centred,
            train_cohort_ng=whole_train,
            test_cohort_mg=whole_test,
        )
        np.testing.assert_allclose(score, expected, rtol=1e-3, atol=1e-4, err_msg=name)
        assert (probability is None) == (expected_probability is None)
        if probability is not None:
            np.testing.assert_allclose(probability, expected_probability, atol=1e-4, err_msg=name)
