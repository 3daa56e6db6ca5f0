"""Which tasks count together: those of one project, or that share a study or a subject.

A family has one vote, and is kept out of a run's corpus as a whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.tasks import BenchmarkTask


def families(tasks: Sequence[BenchmarkTask], compendium: Compendium) -> dict[str, str]:
    """Task -> family: what the table says, closed over shared studies and subjects.

    A family that the table does not name has the name of its first task; of families that share a
    subject, the first one's name stands for all.
    """
    name_of: dict[str, str] = {}
    members: dict[str, set[str]] = {}
    for task in tasks:
        tied = _subjects(task.studies, compendium) | {f"study {study}" for study in task.studies}
        if task.family:
            tied.add(f"family {task.family}")
        joined = [name for name, ties in members.items() if ties & tied]
        family = joined[0] if joined else task.family or task.name
        for name in joined[1:]:
            tied |= members.pop(name)
        name_of |= {other: family for other, name in name_of.items() if name in joined}
        name_of[task.name] = family
        members[family] = members.get(family, set()) | tied
    return name_of


def with_families(tasks: Sequence[BenchmarkTask], compendium: Compendium) -> tuple[BenchmarkTask, ...]:
    """The tasks with `family` set."""
    family_of = families(tasks, compendium)
    return tuple(replace(task, family=family_of[task.name]) for task in tasks)


def related_studies(tasks: Sequence[BenchmarkTask], compendium: Compendium) -> dict[str, tuple[str, ...]]:
    """Task -> studies that a run must not have seen to be asked about it, sorted.

    These are the studies of the task's family, and all that share a subject with one of them.
    """
    of_family: dict[str, set[str]] = {}
    family_of = families(tasks, compendium)
    for task in tasks:
        of_family.setdefault(family_of[task.name], set()).update(task.studies)
    closed = {family: _closed(studies, compendium) for family, studies in of_family.items()}
    return {task.name: closed[family_of[task.name]] for task in tasks}


def _closed(studies: set[str], compendium: Compendium) -> tuple[str, ...]:
    found: set[str] = set()
    while found != studies:
        found, subjects = studies, _subjects(studies, compendium)
        studies = found | {study for study in compendium.studies if subjects & compendium.subjects(study)}
    return tuple(sorted(found))


def _subjects(studies: Iterable[str], compendium: Compendium) -> set[str]:
    return {subject for study in studies for subject in compendium.subjects(study)}
