import numpy as np
import pandas as pd
import pytest

from rnalearner.benchmark.results import COLUMNS
from rnalearner.benchmark.statistics import arms_of, difference, draw_scores, macro, over_families, task_means

A, B = ("a", True), ("b", True)


def rows(arm, scores, k=2):
    """`scores`: (task, family) -> AUROC of each draw; a list there is one a seed."""
    return pd.DataFrame(
        [
            (task, family, k, draw, seed, *arm, auroc, 0.5, np.nan, 8)
            for (task, family), of_draws in scores.items()
            for draw, of_seeds in enumerate(of_draws)
            for seed, auroc in enumerate(np.atleast_1d(of_seeds))
        ],
        columns=COLUMNS,
    )


def test_seeds_are_averaged_before_draws():
    means = task_means(rows(A, {("t", "F"): [[1.0, 0.0], 1.0]}))
    assert means["auroc"].tolist() == [0.75]
    assert means[["draws", "seeds"]].to_numpy().tolist() == [[2, 2]]
    assert np.isnan(means["brier"][0])


def test_a_family_has_one_vote_however_many_tasks_it_has():
    table = rows(A, {("t", "F"): [1.0], ("u", "G"): [0.5], ("v", "G"): [0.7], ("w", "G"): [0.6]})
    estimate = macro(draw_scores(table, 2), A)
    assert estimate.mean == pytest.approx(0.8)
    assert (estimate.families, estimate.tasks) == (2, 4)
    # Of two families, both, or one of them twice.
    assert (estimate.low, estimate.high) == (pytest.approx(0.6), 1.0)


def test_a_task_has_one_say_in_its_family_however_many_draws_it_has():
    table = rows(A, {("t", "F"): [1.0, 1.0, 1.0], ("u", "F"): [[0.0, 0.4]]})
    assert macro(draw_scores(table, 2), A).mean == pytest.approx(0.6)


def test_a_difference_is_between_the_same_draws():
    a = rows(A, {("t", "F"): [0.9, 0.5, 0.1], ("u", "G"): [0.8]})
    b = rows(B, {("t", "F"): [0.7, 0.4], ("u", "G"): [0.7], ("v", "H"): [0.1]})
    estimate = difference(draw_scores(pd.concat([a, b]), 2), A, B)
    assert estimate.mean == pytest.approx((0.15 + 0.1) / 2)
    assert (estimate.families, estimate.tasks) == (2, 2)


def test_a_constant_difference_is_certain_though_tasks_differ_much():
    rng = np.random.default_rng(0)
    base = {(f"t{f}", f"F{f}"): rng.uniform(0.2, 0.8, 5) for f in range(9)}
    better = {name: scores + 0.1 for name, scores in base.items()}
    scores = draw_scores(pd.concat([rows(A, better), rows(B, base)]), 2)
    estimate = difference(scores, A, B)
    assert (estimate.low, estimate.high) == (pytest.approx(0.1), pytest.approx(0.1))
    alone = macro(scores, A)
    assert alone.high - alone.low > 0.05


def test_the_bootstrap_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    index = pd.MultiIndex.from_tuples(
        [(f"t{f}", f"F{f}", 0) for f in range(40)], names=["task", "family", "draw"]
    )
    covered = 0
    for _ in range(200):
        estimate = over_families(pd.Series(rng.normal(0.7, 0.1, 40), index))
        covered += estimate.low <= 0.7 <= estimate.high
    assert 0.9 <= covered / 200 <= 0.98


def test_what_was_not_measured_is_no_number_and_one_family_has_no_interval():
    table = rows(A, {("t", "F"): [0.75], ("u", "F"): [0.25]})
    one = macro(draw_scores(table, 2), A)
    assert one.mean == 0.5
    assert np.isnan([one.low, one.high]).all()
    for scores, arm in (
        (draw_scores(table, 3), A),
        (draw_scores(table, 2), B),
        (draw_scores(table, 2, "brier"), A),
    ):
        estimate = macro(scores, arm)
        assert estimate.families == 0
        assert np.isnan(estimate.mean)
    assert np.isnan(difference(draw_scores(table, 2), A, B).mean)


def test_arms_come_in_the_order_of_the_table():
    both = pd.concat([rows(B, {("t", "F"): [1.0]}), rows(A, {("t", "F"): [1.0]})])
    assert arms_of(both) == [B, A]
