import numpy as np
import pytest

from rnalearner.benchmark import linear_arms
from rnalearner.benchmark.clock import CLOCK_GENES, of_clock
from rnalearner.benchmark.draws import Draw, draws
from rnalearner.benchmark.linear_arms import ARMS, CENTRED_ONLY, CONTROLS, RIVALS
from rnalearner.benchmark.pca_arm import pca_maps
from rnalearner.benchmark.scoring import score_linear
from rnalearner.benchmark.tasks import BenchmarkTask, LoadedTask, Side, load_task
from rnalearner.benchmark.views import SeenDraw, both_views
from rnalearner.errors import RecipeError
from rnalearner.linear.arms import fit_predict
from rnalearner.linear.models import Prediction

CLOCK = tuple(CLOCK_GENES)[:3]


def toy_side(x_ng, y_n, study):
    names = tuple(f"{study}{i}" for i in range(len(y_n)))
    genes = (*CLOCK, "G3", "G4", "G5")
    return Side((study,), names, names, y_n, x_ng, genes, x_ng, np.ones(len(y_n)))


@pytest.fixture
def clocked():
    """A pair whose groups differ in the three clock genes alone; the test side is 4 louder in all."""
    rng = np.random.default_rng(0)
    y_n = np.array([1.0, 1, 1, 0, 0, 0, np.nan])
    sides = []
    for study, batch in (("A", 0.0), ("B", 4.0)):
        x_ng = 5 + batch + 0.1 * rng.normal(size=(7, 6))
        x_ng[:, :3] += 2 * (y_n == 1)[:, None]
        sides.append(toy_side(x_ng, y_n, study))
    task = BenchmarkTask("t", ("A",), ("B",), "label", ("x",), ("z",), "F")
    return LoadedTask(task, *sides, (*CLOCK, "G3", "G4", "G5"))


DRAW = Draw(0, np.array([0, 1, 3, 4]), np.arange(6))


def test_there_are_sixteen_clock_genes():
    assert len(CLOCK_GENES) == 16
    assert of_clock(["ENSMUSG00000055116", "ENSMUSG00000000001"]).tolist() == [True, False]


def test_a_view_centres_each_side_by_all_its_samples(clocked):
    plain, view = both_views(clocked)
    assert (plain.centred, view.centred) == (False, True)
    assert plain.x[1] is clocked.test.x_ng
    for side in (*view.x, *view.ranks):
        np.testing.assert_allclose(side.mean(0), 0, atol=1e-12)
    seen = SeenDraw(view, DRAW, np.array([1.0, 1, 0, 0]))
    np.testing.assert_array_equal(seen.raw_train_ng, clocked.train.x_ng[[0, 1, 3, 4]])
    np.testing.assert_array_equal(seen.x_train_ng, view.x[0][[0, 1, 3, 4]])
    assert seen.test_cohort_bg.shape == (7, 6)


def test_other_labels_share_what_was_made_of_a_draw(clocked):
    seen = SeenDraw(both_views(clocked)[1], DRAW, np.array([1.0, 1, 0, 0]))
    made = seen.x_train_ng
    other = seen.relabelled(np.array([0.0, 1, 0, 1]))
    assert other.x_train_ng is made
    assert other.y_n.tolist() == [0, 1, 0, 1]
    assert seen.y_n.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("arm", list(RIVALS))
def test_the_rivals_are_those_that_stand_beside_fine_tuning(clocked, arm):
    for view in both_views(clocked):
        seen = SeenDraw(view, DRAW, np.array([1.0, 1, 0, 0]))
        ours, _ = ARMS[arm](seen)
        theirs, _ = fit_predict(
            arm,
            seen.raw_train_ng,
            seen.y_n,
            seen.raw_test_mg,
            centred=view.centred,
            train_cohort_ng=seen.train_cohort_ag,
            test_cohort_mg=seen.test_cohort_bg,
        )
        np.testing.assert_allclose(ours, theirs)


def test_centring_brings_the_thresholds_of_two_datasets_together(clocked):
    accuracy = score_linear(clocked, 2, [DRAW], ["nearest_centroid"]).set_index("centred")["accuracy"]
    assert (accuracy[False], accuracy[True]) == (0.5, 1)


def test_the_clocks_genes_tell_and_the_others_do_not(clocked):
    table = score_linear(clocked, 2, [DRAW], ["clock_only", "clock_free"])
    auroc = table.set_index(["arm", "centred"])["auroc"]
    assert auroc["clock_only", True] == 1
    assert auroc["clock_free", True] < 1
    scores = {
        arm: ARMS[arm](SeenDraw(both_views(clocked)[1], DRAW, np.array([1.0, 1, 0, 0])))[0]
        for arm in ("clock_only", "clock_free")
    }
    assert np.abs(scores["clock_only"]).min() > 10 * np.abs(scores["clock_free"]).max()


def test_without_clock_genes_the_control_knows_nothing(compendium, tasks):
    loaded = load_task(compendium, tasks["first"])
    table = score_linear(loaded, 1, draws(loaded, 1, 3), ["clock_only"])
    assert (table["auroc"] == 0.5).all()
    assert (table["brier"] == 0.25).all()


def test_every_arm_is_scored_as_it_is_and_centred_on_every_draw(compendium, tasks):
    loaded = load_task(compendium, tasks["pair"])
    arms, drawn = [*RIVALS, *CONTROLS], draws(loaded, 2, 4)
    table = score_linear(loaded, 2, drawn, arms, pca=pca_maps(compendium, loaded), seeds=(0, 1))
    assert len(table) == len(arms) * 2 * 4
    assert set(table["seed"]) == {0}
    assert set(table["family"]) == {"R"}
    assert (table["n_test"] == 6).all()
    means = table.groupby(["arm", "centred"])["auroc"].mean()
    assert means["lr_l1_c10", True] > 0.9


def test_an_arm_without_what_it_needs_has_no_row_and_one_that_is_not_there_is_refused(compendium, tasks):
    loaded = load_task(compendium, tasks["first"])
    assert score_linear(loaded, 1, draws(loaded, 1, 1), ["pca10"]).empty
    with pytest.raises(RecipeError, match=r"arm 'lr_l3': there is no such linear arm here; use one of lr_l2"):
        score_linear(loaded, 1, [], ["lr_l3"])


def test_an_arm_that_depends_on_its_seed_runs_once_a_seed(monkeypatch, compendium, tasks):
    def by_chance(seen: SeenDraw) -> Prediction:
        return np.random.default_rng(seen.seed).normal(size=len(seen.draw.test_rows)), None

    loaded = load_task(compendium, tasks["first"])
    monkeypatch.setitem(linear_arms.ARMS, "by_chance", by_chance)
    monkeypatch.setattr("rnalearner.benchmark.scoring.STOCHASTIC", frozenset({"by_chance"}))
    table = score_linear(loaded, 1, draws(loaded, 1, 2), ["by_chance", "knn_3"], seeds=(0, 1, 2))
    assert table[table["arm"] == "by_chance"]["seed"].value_counts().to_dict() == {0: 4, 1: 4, 2: 4}
    assert table["auroc"].nunique() > 3


def test_every_name_is_an_arm():
    assert set(CENTRED_ONLY) <= set(ARMS)
    assert set(linear_arms.STOCHASTIC) | set(linear_arms.GUIDED_ARMS) <= set(ARMS)
