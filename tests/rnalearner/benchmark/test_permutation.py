import numpy as np
import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.draws import draws
from rnalearner.benchmark.permutation import permutation_table, permutation_test
from rnalearner.benchmark.tasks import load_task, read_tasks
from rnalearner.benchmark.views import both_views
from tests.toy_compendium import groups, write_compendium


def task_of(folder, fold):
    write_compendium(folder, {"one": groups(8, "a")}, "t,one,label,ill,well,F\n", fold=fold)
    return load_task(Compendium([folder]), read_tasks(folder / "tasks.csv")[0])


def test_all_924_relabellings_of_six_and_six_are_tried(tmp_path):
    table = permutation_table(task_of(tmp_path, fold=8), ["nearest_centroid", "knn_3"])
    assert table["relabellings"].tolist() == [924, 924]
    assert table["exact"].all()
    assert table["centred"].all()
    assert (table["auroc"] == 1).all()


def test_with_nothing_to_learn_p_is_spread_evenly(tmp_path):
    studies = {f"s{number}": groups(6, f"m{number}-") for number in range(40)}
    lines = "".join(f"{study},{study},label,ill,well,\n" for study in studies)
    compendium = Compendium([write_compendium(tmp_path, studies, lines, fold=1)])
    p = []
    for task in read_tasks(tmp_path / "tasks.csv"):
        loaded = load_task(compendium, task)
        (draw,) = draws(loaded, 3, 1)
        p.append(permutation_test(both_views(loaded)[1], draw, "nearest_centroid").p)
    assert min(p) >= 1 / 20
    # 4 are expected; a p that is exact errs, with ties, to the high side.
    assert sum(value <= 0.1 for value in p) <= 9
    assert 0.4 < np.mean(p) < 0.75


def test_p_counts_the_true_labels_and_ties(tmp_path):
    """Two against two: of six labellings the true one and no other puts ill above well everywhere."""
    loaded = task_of(tmp_path, fold=64)
    view = both_views(loaded)[1]
    (draw,) = draws(loaded, 2, 1)
    found = permutation_test(view, draw, "nearest_centroid")
    assert (found.auroc, found.relabellings, found.exact) == (1, 6, True)
    assert found.p * 6 == pytest.approx(round(found.p * 6))
    assert found.p >= 1 / 6


def test_too_many_relabellings_are_drawn_with_a_seed_and_the_true_one_added(tmp_path):
    loaded = task_of(tmp_path, fold=8)
    view = both_views(loaded)[1]
    (draw,) = draws(loaded, 6, 1)
    first, again = (permutation_test(view, draw, "nearest_centroid", most=99) for _ in range(2))
    assert first == again
    assert (first.relabellings, first.exact) == (100, False)
    assert first.p >= 1 / 100
    exact = permutation_test(view, draw, "nearest_centroid")
    assert abs(first.p - exact.p) < 0.15


def test_a_task_with_too_few_samples_is_not_permuted(compendium, tasks):
    assert permutation_table(load_task(compendium, tasks["second"]), ["knn_3"]).empty
