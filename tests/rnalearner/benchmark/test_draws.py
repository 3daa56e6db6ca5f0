import numpy as np
import pandas as pd
import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.draws import draws, draws_table, write_draws
from rnalearner.benchmark.tasks import load_task, read_tasks
from tests.toy_compendium import groups, write_compendium


@pytest.fixture
def first(compendium, tasks):
    return load_task(compendium, tasks["first"])


def test_a_draw_holds_k_of_each_group_and_tests_on_strangers(first):
    drawn = draws(first, 2, 30)
    assert [draw.number for draw in drawn] == list(range(30))
    for draw in drawn:
        assert first.train.y_n[draw.train_rows].tolist() == [1, 1, 0, 0]
        assert sorted([*draw.train_rows, *draw.test_rows]) == list(range(10))


def test_draws_differ_and_fewer_are_the_first_of_more(first):
    many, few = draws(first, 2, 30), draws(first, 2, 7)
    assert len({tuple(sorted(draw.train_rows)) for draw in many}) == 30
    for one, other in zip(few, many, strict=False):
        np.testing.assert_array_equal(one.train_rows, other.train_rows)
        np.testing.assert_array_equal(one.test_rows, other.test_rows)


def test_all_draws_there_are_and_no_more(first):
    # Three of five and three of five; four would leave one sample a group to test on.
    assert len(draws(first, 3, 500)) == 100
    assert draws(first, 4, 30) == []
    assert draws(first, 6, 30) == []


def test_other_tasks_and_other_k_have_other_draws(compendium, tasks, first):
    def rows(loaded, k):
        return [draw.train_rows.tolist()[:1] for draw in draws(loaded, k, 10)]

    renamed = type(first)(tasks["second"], first.train, first.test, first.genes)
    assert rows(first, 1) != rows(renamed, 1)
    assert rows(first, 1) != rows(first, 2)


def test_a_pair_tests_on_the_mice_that_the_draw_did_not_take(compendium, tasks):
    pair = load_task(compendium, tasks["pair"])
    for draw in draws(pair, 2, 10):
        trained = {pair.train.subjects[row] for row in draw.train_rows}
        tested = [pair.test.subjects[row] for row in draw.test_rows]
        assert trained.isdisjoint(tested)
        assert len(tested) == 6


def test_samples_of_one_subject_stay_on_one_side(tmp_path):
    labels, _ = groups(4, "")
    write_compendium(tmp_path, {"one": (labels, list("aabbccdd"))}, "t,one,label,ill,well,\n")
    loaded = load_task(Compendium([tmp_path]), read_tasks(tmp_path / "tasks.csv")[0])
    for draw in draws(loaded, 1, 30):
        assert len(draw.test_rows) in (4, 6)
    # Two of each group may be of two to four mice; only two leave two of each group.
    assert len(draws(loaded, 2, 100)) == 6


def test_many_possible_draws_are_not_listed_but_still_a_prefix(tmp_path):
    write_compendium(tmp_path, {"big": groups(20, "m")}, "t,big,label,ill,well,\n")
    loaded = load_task(Compendium([tmp_path]), read_tasks(tmp_path / "tasks.csv")[0])
    many, few = draws(loaded, 3, 20), draws(loaded, 3, 4)
    assert [d.train_rows.tolist() for d in many[:4]] == [d.train_rows.tolist() for d in few]


def test_draws_are_written_by_the_samples_names(first, tmp_path):
    drawn = draws(first, 1, 2)
    write_draws(tmp_path / "draws.csv", [draws_table(first, 1, drawn)])
    table = pd.read_csv(tmp_path / "draws.csv")
    assert list(table) == ["task", "k", "draw", "train", "test"]
    samples = first.train.samples
    assert table["train"][1] == "|".join(samples[row] for row in drawn[1].train_rows)
    assert table["test"][1].count("|") == 7
