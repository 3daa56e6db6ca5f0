import numpy as np
import pytest

from rnalearner.model.vector_sets import MOST_MEMBERS, mean_interval, score_sets, set_auroc, tenths

N = 400
GENES = [f"g{i}" for i in range(N)]
ALL = np.ones(N, bool)
FLAT = np.zeros(N)


def score(vectors_gd, sets, known_g=ALL, mean_g=FLAT):
    signed = {name: dict.fromkeys(genes, 1.0) for name, genes in sets.items()}
    return score_sets({"vectors": vectors_gd}, known_g, mean_g, GENES, signed, np.random.default_rng(0))


def test_the_auroc_is_how_often_members_lie_closer_worked_out_by_hand():
    angle = np.deg2rad([0, 10, 40, 90, 20])
    unit_gd = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # Members 0, 1, 2. Inside: 10, 40, 30 degrees, each twice. Outside, with gene 3 for member 0, 4 for 1
    # and 3 for 2: a=0: 20 and 90; a=1: 80 and 80; a=2: 50 and 20.
    inside, outside = [10, 40, 30] * 2, [20, 90, 80, 80, 50, 20]
    wins = np.mean([[a < b for b in outside] for a in inside])
    random_mk = np.array([[3], [4], [3]])
    assert set_auroc(unit_gd, np.arange(3), np.ones(3), random_mk) == pytest.approx(wins)
    # Member 0 has the other sign: only 1 and 2 are a pair (30), against 1 and gene 3 (80), 2 and gene 4 (20).
    assert set_auroc(unit_gd, np.arange(3), np.array([-1, 1, 1]), random_mk) == 0.5


def test_members_of_opposite_signs_need_not_lie_close():
    rng = np.random.default_rng(0)
    vectors_gd = rng.standard_normal((N, 16))
    vectors_gd[:10] += 8
    vectors_gd[10:20] -= 8
    signed = {"signed": {gene: 1.0 if i < 10 else -2.5 for i, gene in enumerate(GENES[:20])}}
    args = {"vectors": vectors_gd}, ALL, FLAT, GENES
    assert score_sets(*args, signed, np.random.default_rng(0))["vectors"][0] > 0.99
    assert score(vectors_gd, {"unsigned": GENES[:20]})["vectors"][0] < 0.8


def test_members_that_lie_together_score_one_and_random_ones_a_half():
    rng = np.random.default_rng(0)
    vectors_gd = rng.standard_normal((N, 16))
    vectors_gd[:20] += 8
    table = score(
        vectors_gd, {"close": GENES[:20], **{f"r{i}": GENES[20 + 10 * i : 30 + 10 * i] for i in range(38)}}
    )
    assert table["vectors"][0] > 0.99
    assert table["vectors"][1:].mean() == pytest.approx(0.5, abs=0.02)
    assert table["genes"].tolist() == [20] + 38 * [10]


def test_vectors_that_only_know_the_level_of_expression_get_no_credit():
    level_g = np.linspace(0, 1, N)
    angle = level_g * np.pi
    vectors_gd = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    sets = {"high": GENES[-40:]}
    assert score(vectors_gd, sets, mean_g=FLAT)["vectors"][0] > 0.9
    # All of its tenth are members: only half of it is, so that there are others of that level.
    half = {"high": GENES[-40::2]}
    assert score(vectors_gd, half, mean_g=FLAT)["vectors"][0] > 0.9
    assert score(vectors_gd, half, mean_g=level_g)["vectors"][0] == pytest.approx(0.5, abs=0.05)


def test_genes_without_a_learned_vector_do_not_count():
    known_g = np.arange(N) % 2 == 0
    sets = {"nine": GENES[:18], "four": GENES[:8], "none": ["x", "y"]}
    table = score(np.random.default_rng(0).standard_normal((N, 4)), sets, known_g)
    assert table[["set", "genes"]].to_numpy().tolist() == [["nine", 9]]


def test_a_set_of_all_genes_says_nothing_and_one_without_vectors_is_an_empty_table():
    vectors_gd = np.random.default_rng(0).standard_normal((N, 4))
    assert score(vectors_gd, {"all": GENES}).empty
    assert list(score(vectors_gd, {"a": GENES[:9]}, ~ALL).columns) == ["set", "genes", "vectors"]


def test_a_large_set_is_drawn_from():
    n = 3 * MOST_MEMBERS
    genes = [str(i) for i in range(n)]
    vectors_gd = np.random.default_rng(0).standard_normal((n, 4))
    args = np.ones(n, bool), np.zeros(n), genes, {"large": dict.fromkeys(genes[: 2 * MOST_MEMBERS], 1.0)}
    table = score_sets({"vectors": vectors_gd}, *args, np.random.default_rng(0))
    assert table["genes"][0] == 2 * MOST_MEMBERS
    assert table["vectors"][0] == pytest.approx(0.5, abs=0.02)


def test_tenths_hold_as_many_known_genes_each():
    mean_g = np.random.default_rng(0).exponential(size=N)
    assert np.bincount(tenths(mean_g, ALL)).tolist() == [N // 10] * 10


def test_the_interval_is_that_of_the_mean():
    values_s = np.random.default_rng(0).normal(0.6, 0.1, 100)
    mean, low, high = mean_interval(values_s, np.random.default_rng(0))
    assert mean == pytest.approx(values_s.mean())
    assert high - low == pytest.approx(2 * 1.96 * values_s.std() / 10, rel=0.15)
    assert np.isnan(mean_interval(np.empty(0), np.random.default_rng(0))).all()
