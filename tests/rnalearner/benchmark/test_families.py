from dataclasses import replace

import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.families import families, related_studies, with_families
from rnalearner.benchmark.tasks import read_tasks
from tests.toy_compendium import HEADER, groups, write_compendium


def nameless(tasks):
    return [replace(task, family="") for task in tasks.values()]


def test_the_table_says_which_project_a_task_counts_for(compendium, tasks):
    assert families(list(tasks.values()), compendium) == {
        "first": "P",
        "second": "Q",
        "pair": "R",
        "back": "R",
    }


def test_without_names_tasks_that_share_subjects_are_a_family(compendium, tasks):
    assert families(nameless(tasks), compendium) == {
        "first": "first",
        "second": "second",
        "pair": "pair",
        "back": "pair",
    }


@pytest.mark.parametrize("order", [("x,A", "y,B", "z,A+B"), ("x,A", "z,A+B", "y,B")])
def test_a_later_task_joins_families_that_it_touches(tmp_path, order):
    write_compendium(tmp_path, {"A": groups(2, "a"), "B": groups(2, "b"), "C": groups(2, "c")})
    lines = "".join(f"{task},label,ill,well,{task[0]}\n" for task in (*order, "w,C"))
    (tmp_path / "tasks.csv").write_text(HEADER + lines)
    compendium = Compendium([tmp_path])
    tasks = with_families(read_tasks(tmp_path / "tasks.csv"), compendium)
    assert {task.name: task.family for task in tasks} == {"x": "x", "y": "x", "z": "x", "w": "w"}


def test_a_run_must_not_have_seen_the_family_nor_its_mice(tmp_path):
    write_compendium(
        tmp_path,
        {
            "A": groups(2, "a"),
            "B": groups(2, "b"),
            "mates of B": (["ill"], ["b0"]),
            "mates of those": (["ill", "ill"], ["b0", "x"]),
            "far": (["ill"], ["x"]),
            "stranger": groups(2, "s"),
        },
        "one,A,label,ill,well,F\ntwo,B,label,ill,well,F\n",
    )
    compendium = Compendium([tmp_path])
    related = related_studies(read_tasks(tmp_path / "tasks.csv"), compendium)
    assert related["one"] == related["two"] == ("A", "B", "far", "mates of B", "mates of those")
