"""A toy compendium: two projects, a pair of datasets that share mice, and strangers."""

from pathlib import Path

import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.families import with_families
from rnalearner.benchmark.tasks import BenchmarkTask, read_tasks
from tests.toy_compendium import groups, write_compendium

STUDIES = {
    "one": groups(5, "a"),
    "two": groups(4, "b"),
    "muscle": groups(4, "c"),
    "nerve": groups(5, "c"),  # of the same mice, and two more
    "other": groups(6, "d"),
}
TASKS = (
    "first,one,label,ill,well,P\n"
    "second,two,label,ill,well,Q\n"
    "pair,muscle->nerve,label,ill,well,R\n"
    "back,nerve->muscle,label,ill,well,R\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_compendium(tmp_path / "compendium", STUDIES, TASKS)


@pytest.fixture
def compendium(folder: Path) -> Compendium:
    return Compendium([folder])


@pytest.fixture
def tasks(folder: Path, compendium: Compendium) -> dict[str, BenchmarkTask]:
    return {task.name: task for task in with_families(read_tasks(folder / "tasks.csv"), compendium)}
