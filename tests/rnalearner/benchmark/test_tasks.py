import numpy as np
import pandas as pd
import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.tasks import load_task, read_tasks
from rnalearner.errors import CountsError, LabelError
from tests.toy_compendium import GENES, HEADER, write_compendium, write_counts


def read(tmp_path, line):
    path = tmp_path / "tasks.csv"
    path.write_text(HEADER + line)
    return read_tasks(path)


def test_a_task_is_within_studies_or_from_one_to_another(tmp_path):
    within, pair = read(tmp_path, "w,A+B,label,x|y,z,F\np,A->B+C,label,x,z,\n")
    assert (within.train, within.test, within.is_pair) == (("A", "B"), ("A", "B"), False)
    assert (within.positive, within.negative, within.family) == (("x", "y"), ("z",), "F")
    assert (pair.train, pair.test, pair.is_pair) == (("A",), ("B", "C"), True)
    assert pair.studies == ("A", "B", "C")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a,A->B->C,label,x,z,\n", "task a: its study is 'A->B->C'"),
        ("a,A+,label,x,z,\n", r"its study is 'A\+'"),
        ("a,A,label,x|z,z,\n", "none in both"),
        ("a,A,label,,z,\n", "its groups are ''"),
        ("a,A,label,x,z,\na,B,label,x,z,\n", "lists task a twice"),
        ("", "lists no task"),
    ],
)
def test_a_task_that_cannot_be_meant_is_refused(tmp_path, line, told):
    with pytest.raises(LabelError, match=told):
        read(tmp_path, line)


def test_a_table_without_a_column_is_refused(tmp_path):
    (tmp_path / "tasks.csv").write_text("task,study\na,A\n")
    with pytest.raises(LabelError, match="has no column column"):
        read_tasks(tmp_path / "tasks.csv")
    with pytest.raises(LabelError, match="cannot be read"):
        read_tasks(tmp_path / "nowhere.csv")


@pytest.fixture
def two_studies(tmp_path):
    """Library sizes of a million, so that counts are CPM; gene 2 is measured in A alone."""
    write_compendium(
        tmp_path,
        {"A": (["x", "z", "n"], ["a", "b", "c"]), "B": (["z", "x"], ["d", "e"])},
        "pair,A->B,label,x,z,\npooled,A+B,label,x,z,\nwithin,A,label,x,z,\n",
    )
    big = 1_000_000
    a = {"A-0": [3, 5, 0, big - 8], "A-1": [1, 5, 1, big - 7], "A-2": [5, 5, 1, big - 11]}
    b = {"B-0": [7, 2, big - 9], "B-1": [15, 0, big - 15]}
    write_counts(tmp_path, "A", pd.DataFrame(a, index=GENES[:4]))
    write_counts(tmp_path, "B", pd.DataFrame(b, index=[GENES[3], GENES[2], GENES[0]])[::-1])
    return Compendium([tmp_path]), {task.name: task for task in read_tasks(tmp_path / "tasks.csv")}


def test_sides_share_genes_that_are_expressed_over_both(two_studies):
    compendium, tasks = two_studies
    loaded = load_task(compendium, tasks["pair"])
    # Gene 3 has a mean of 4 / 5 CPM over both sides, though only 2 / 3 in A.
    assert loaded.genes == (GENES[0], GENES[3])
    assert loaded.train.x_ng[0].tolist() == [2.0, pytest.approx(np.log2(1e6 - 7))]
    np.testing.assert_array_equal(loaded.train.y_n, [1, 0, np.nan])
    assert loaded.test.y_n.tolist() == [0, 1]
    assert loaded.test.subjects == ("d", "e")
    assert load_task(compendium, tasks["pair"], min_cpm=0).genes == (GENES[0], GENES[2], GENES[3])


def test_within_a_study_both_sides_are_one(two_studies):
    compendium, tasks = two_studies
    within, pooled = (load_task(compendium, tasks[name]) for name in ("within", "pooled"))
    assert within.train is within.test
    assert within.genes == (GENES[0], GENES[1], GENES[3])
    assert pooled.train is pooled.test
    assert pooled.train.samples == ("A-0", "A-1", "A-2", "B-0", "B-1")
    assert pooled.train.all_genes == (GENES[0], GENES[2], GENES[3])


def test_a_side_gives_any_genes_and_says_which_it_did_not_measure(two_studies):
    compendium, tasks = two_studies
    side = load_task(compendium, tasks["pair"]).train
    np.testing.assert_array_equal(
        side.counts(["unknown", GENES[1], GENES[0]]), [[np.nan, 5, 3], [np.nan, 5, 1], [np.nan, 5, 5]]
    )
    assert side.log2_cpm([GENES[0]])[:, 0].tolist() == [2, 1, pytest.approx(np.log2(6))]


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        ("t,A,sex,x,z,\n", LabelError, "there is no column 'sex'; choose among sample, study"),
        ("t,A->B,label,n,z,\n", LabelError, "task t, B: no sample is n; column 'label' holds x, z"),
    ],
)
def test_a_task_without_its_groups_is_refused(two_studies, tmp_path, line, error, told):
    with pytest.raises(error, match=told):
        load_task(two_studies[0], read(tmp_path, line)[0])


def test_a_task_without_genes_is_refused(two_studies):
    compendium, tasks = two_studies
    with pytest.raises(CountsError, match="share no gene with a mean CPM above 2e"):
        load_task(compendium, tasks["pair"], min_cpm=2e6)
