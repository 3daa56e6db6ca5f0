"""A benchmark task: two groups of samples, and the two sides that training and test are drawn from.

Shapes: n samples of a side, g genes that both sides share and express, h genes of one side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from rnalearner.benchmark.compendium import Compendium
from rnalearner.errors import CountsError, LabelError
from rnalearner.linear.expression import ranks
from rnalearner.preprocessing.normalize import log2p1_cpm

REQUIRED = ("task", "study", "column", "positive", "negative")


@dataclass(frozen=True)
class BenchmarkTask:
    """A row of `tasks.csv`. Within a study (or several, pooled) both sides are the same samples."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    column: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    family: str = ""
    """The project that the task counts for; "" where the table does not say."""

    @property
    def is_pair(self) -> bool:
        """Whether one dataset trains and another tests."""
        return self.train != self.test

    @property
    def studies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.train, *self.test)))


@dataclass(frozen=True, eq=False)
class Side:
    """All samples of one side, those of neither group included."""

    studies: tuple[str, ...]
    samples: tuple[str, ...]
    subjects: tuple[str, ...]
    y_n: np.ndarray
    """1, 0, or NaN for a sample of neither group."""
    x_ng: np.ndarray
    """log2(CPM + 1) of the genes that both sides share and express, float64."""
    all_genes: tuple[str, ...]
    """Every gene that all studies of the side measured."""
    counts_nh: np.ndarray
    """Reads of `all_genes`."""
    total_n: np.ndarray

    @cached_property
    def ranks_ng(self) -> np.ndarray:
        """Rank of each gene within its sample, as `linear.expression.ranks`."""
        return ranks(self.x_ng)

    @cached_property
    def _column(self) -> dict[str, int]:
        return {gene: column for column, gene in enumerate(self.all_genes)}

    def counts(self, genes: Sequence[str]) -> np.ndarray:
        """Reads n x len(genes) of any genes, float32, NaN where one is not measured."""
        columns = np.array([self._column.get(gene, -1) for gene in genes], dtype=int)
        counts_ng = self.counts_nh[:, columns].astype(np.float32)
        counts_ng[:, columns < 0] = np.nan
        return counts_ng

    def log2_cpm(self, genes: Sequence[str]) -> np.ndarray:
        """log2(CPM + 1) n x len(genes) of any genes, float32, NaN where one is not measured."""
        return log2p1_cpm(self.counts(genes), self.total_n)


@dataclass(frozen=True, eq=False)
class LoadedTask:
    """A task with its expression; within a study `train` and `test` are one object."""

    task: BenchmarkTask
    train: Side
    test: Side
    genes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def family(self) -> str:
        return self.task.family


def read_tasks(path: Path) -> tuple[BenchmarkTask, ...]:
    """Tasks of a CSV with the columns task, study, column, positive, negative and perhaps family.

    `study` is `A` or `A+B` (drawn and tested inside) or `A->B`; values of a group are joined by `|`.
    Raises LabelError naming the task and what is wrong with it.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LabelError(path, f"cannot be read ({error})", "give a CSV of tasks") from None
    if missing := [name for name in REQUIRED if name not in table]:
        raise LabelError(path, f"has no column {missing[0]}", f"give the columns {', '.join(REQUIRED)}")
    if table.empty:
        raise LabelError(path, "lists no task", "give a line a task")
    if (again := table["task"].duplicated()).any():
        raise LabelError(path, f"lists task {table['task'][again].iloc[0]} twice", "name each task once")
    return tuple(_task(path, dict(row)) for _, row in table.iterrows())


def _task(path: Path, row: dict[str, str]) -> BenchmarkTask:
    where = f"{path}, task {row['task']}"
    sides = [tuple(side.split("+")) for side in row["study"].split("->")]
    positive, negative = (tuple(row[group].split("|")) for group in ("positive", "negative"))
    if not row["task"] or len(sides) > 2 or not all(name for side in sides for name in side):
        raise LabelError(where, f"its study is {row['study']!r}", "write A, A+B or A->B")
    if "" in (*positive, *negative) or set(positive) & set(negative):
        what = f"its groups are {row['positive']!r} and {row['negative']!r}"
        raise LabelError(where, what, "name the values of each group, none in both")
    return BenchmarkTask(
        row["task"], sides[0], sides[-1], row["column"], positive, negative, row.get("family", "")
    )


def load_task(compendium: Compendium, task: BenchmarkTask, min_cpm: float = 1.0) -> LoadedTask:
    """Both sides on the genes that all their studies measured, with a mean CPM above `min_cpm`.

    The mean is over all samples of both sides; no label is looked at. With `min_cpm` 0 every shared
    gene stays. Raises LabelError where a group is empty, CountsError where no gene is left.
    """
    names = [task.train, task.test] if task.is_pair else [task.train]
    studies = [[compendium.counts(study) for study in side] for side in names]
    shared = [gene for gene in studies[0][0].genes if all(gene in s.column for side in studies for s in side)]
    cpm = [np.concatenate([study.cpm(shared) for study in side]) for side in studies]
    mean_g = np.concatenate(cpm).mean(0)
    keep_g = mean_g > min_cpm if min_cpm > 0 else np.ones(len(shared), bool)
    if not keep_g.any():
        what = f"its studies share no gene with a mean CPM above {min_cpm:g}"
        raise CountsError(f"task {task.name}", what, "check that they name genes alike, or lower min_cpm")
    sides = []
    for side, cpm_ng in zip(studies, cpm, strict=True):
        genes = [gene for gene in side[0].genes if all(gene in study.column for study in side)]
        meta = pd.concat([compendium.rows(study.study) for study in side])
        sides.append(
            Side(
                studies=tuple(study.study for study in side),
                samples=tuple(name for study in side for name in study.samples),
                subjects=tuple(meta["subject"]),
                y_n=_labels(task, meta),
                x_ng=np.log2(cpm_ng[:, keep_g] + 1),
                all_genes=tuple(genes),
                counts_nh=np.concatenate([s.counts_nh[:, [s.column[gene] for gene in genes]] for s in side]),
                total_n=np.concatenate([study.total_n for study in side]),
            )
        )
    kept = tuple(gene for gene, keep in zip(shared, keep_g, strict=True) if keep)
    return LoadedTask(task, sides[0], sides[-1], kept)


def _labels(task: BenchmarkTask, meta: pd.DataFrame) -> np.ndarray:
    where = f"task {task.name}, {' and '.join(meta['study'].unique())}"
    if task.column not in meta:
        columns = ", ".join(map(str, meta.columns))
        raise LabelError(where, f"there is no column {task.column!r}", f"choose among {columns}")
    values = meta[task.column]
    for group in (task.positive, task.negative):
        if not values.isin(group).any():
            held = ", ".join(sorted(set(values) - {""})[:8]) or "nothing"
            what = f"no sample is {' or '.join(group)}; column {task.column!r} holds {held}"
            raise LabelError(where, what, "mend the sheet or the task's groups")
    return np.select([values.isin(task.positive), values.isin(task.negative)], [1.0, 0.0], np.nan)
