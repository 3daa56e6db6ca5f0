"""Which samples of a labelled dataset are which class, judged by its report. Pure."""

from collections.abc import Sequence
from typing import Protocol

from rnalearner.errors import LabelError
from service.schemas.datasets import DatasetReport, SheetColumn

_MIN_SAMPLES = 2
"""Of each group: one sample cannot be learned from and checked."""
_MOST_GROUPS = 20


class Labelled(Protocol):
    """A dataset that names itself in a sentence."""

    @property
    def id(self) -> str: ...

    @property
    def report(self) -> DatasetReport: ...


def chosen_column(dataset: Labelled, asked: str | None) -> str:
    """The column asked for, or the one that the report names; raises LabelError naming those there are."""
    name = asked if asked is not None else dataset.report.label_column
    if name is None:
        names = _names(_columns(dataset))
        raise LabelError(dataset, "no column of its sheet looks like groups", f"name one of {names}")
    return _column(dataset, name).name


def learnable(column: SheetColumn) -> dict[str, int]:
    """Values that enough samples have, and how many these are."""
    return {value: n for value, n in column.values.items() if value and n >= _MIN_SAMPLES}


def chosen_groups(dataset: Labelled, column: str, asked: Sequence[str] | None) -> list[str]:
    """The values to tell apart, in the order of the classes.

    Without any asked for: all that enough samples have, by name. Raises LabelError naming the
    values there are.
    """
    sheet = _column(dataset, column)
    where = f"column {column!r} of {dataset}"
    if asked is None:
        groups = sorted(learnable(sheet))
        if not 2 <= len(groups) <= _MOST_GROUPS:
            what = f"has {len(groups)} values that two or more samples have"
            raise LabelError(where, what, f"name 2 to {_MOST_GROUPS} groups; it holds {_values(sheet)}")
        return groups
    if len(set(asked)) < len(asked):
        raise LabelError("groups", "name one value twice", "name each value once")
    listed = len(sheet.values) == sheet.n_values
    for value in asked:
        n = sheet.values.get(value, 0 if listed else _MIN_SAMPLES)
        if n == 0:
            raise LabelError(where, f"holds no {value!r}", f"choose among {_values(sheet)}")
        if n < _MIN_SAMPLES:
            what = f"has {n} sample of group {value!r}"
            raise LabelError(where, what, f"give {_MIN_SAMPLES} or more samples of each group")
    return list(asked)


def check_scored(dataset: Labelled, column: str, groups: Sequence[str]) -> None:
    """Raises LabelError unless a validation or test dataset has two of the groups: a score needs them."""
    sheet = _column(dataset, column)
    listed = len(sheet.values) == sheet.n_values
    if listed and len(sheet.values.keys() & set(groups)) < 2:
        what = f"holds fewer than two of the groups {', '.join(map(repr, groups))}"
        raise LabelError(
            f"column {column!r} of {dataset}", what, f"mend its sheet: it holds {_values(sheet)}"
        )


def _columns(dataset: Labelled) -> list[SheetColumn]:
    if not dataset.report.columns:
        remedy = f"upload one: PUT /v1/datasets/{dataset.id}/labels"
        raise LabelError(dataset, "has no sheet of labels", remedy)
    return dataset.report.columns


def _column(dataset: Labelled, name: str) -> SheetColumn:
    columns = _columns(dataset)
    for column in columns:
        if column.name == name:
            return column
    raise LabelError(dataset, f"has no column {name!r}", f"choose among {_names(columns)}")


def _names(columns: Sequence[SheetColumn]) -> str:
    return ", ".join(column.name for column in columns)


def _values(column: SheetColumn) -> str:
    return ", ".join(map(repr, list(column.values)[:10])) or "nothing"
