"""A few-shot task as data: three datasets, their labels, and what they secretly share."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnalearner.config import TaskConfig
from rnalearner.errors import LabelError, LeakError
from rnalearner.shards.read import ShardStore

SPLITS = ("train", "validation", "test")
NEAR_DUPLICATE = 0.999
"""Correlation of log2 CPM above which samples of two datasets count as one: biological replicates
of different datasets stay below, re-sequenced or renamed libraries do not."""


@dataclass(frozen=True)
class Dataset:
    """Labelled samples of one study: y is 1 for the positive group."""

    study: str
    rows: np.ndarray
    y_n: np.ndarray
    samples: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class FewShotTask:
    """Train, validation and test of one task, and which test samples are of unseen subjects."""

    config: TaskConfig
    train: Dataset
    validation: Dataset
    test: Dataset
    unseen_n: np.ndarray
    """True for test samples whose subject is in neither other dataset."""

    def datasets(self) -> Iterator[tuple[str, Dataset]]:
        yield from zip(SPLITS, (self.train, self.validation, self.test), strict=True)


def fewshot_task(store: ShardStore, config: TaskConfig) -> FewShotTask:
    """Find a task's samples; raises LabelError naming the study, the column, and what it holds."""
    train, validation, test = (
        _dataset(store.obs, config, study) for study in (config.train, config.validation, config.test)
    )
    seen = set(train.subjects) | set(validation.subjects)
    unseen_n = np.array([subject == "" or subject not in seen for subject in test.subjects])
    return FewShotTask(config, train, validation, test, unseen_n)


def checked_tasks(
    store: ShardStore, configs: Iterable[TaskConfig], allow_leak: bool
) -> tuple[list[FewShotTask], list[str]]:
    """All tasks and what leaks in them; raises LabelError, and LeakError unless that is allowed."""
    tasks = [fewshot_task(store, config) for config in configs]
    leaks = [leak for task in tasks for leak in find_leaks(store, task)]
    if leaks and not allow_leak:
        raise LeakError("tasks", leaks[0], "use other sets, or set data.allow_leak and report it")
    return tasks, leaks


def _dataset(obs: pd.DataFrame, config: TaskConfig, study: str) -> Dataset:
    where = f"task {config.name}, study {study}"
    of_study = obs[obs["study"] == study]
    if of_study.empty:
        known = ", ".join(sorted(obs["study"].unique())[:10])
        raise LabelError(where, "no sample of this study was read", f"choose among {known} ...")
    if config.column not in obs.columns:
        columns = ", ".join(obs.columns)
        raise LabelError(where, f"there is no column {config.column!r}", f"choose among {columns}")
    values = of_study[config.column].astype(str)
    positive, negative = values.isin(config.positive), values.isin(config.negative)
    for group, found in (("positive", positive), ("negative", negative)):
        if not found.any():
            wanted = " or ".join(getattr(config, group))
            held = ", ".join(sorted(set(values) - {""})[:8])
            what = f"column {config.column!r} has no {group} sample ({wanted}); it holds {held or 'nothing'}"
            raise LabelError(where, what, f"mend the sheet or the task's `{group}`: two groups are needed")
    chosen = of_study[positive | negative]
    return Dataset(
        study=study,
        rows=chosen.index.to_numpy(),
        y_n=positive[positive | negative].to_numpy().astype(np.int64),
        samples=tuple(chosen["sample"].astype(str)),
        subjects=tuple(chosen["subject"].astype(str)),
    )


def find_leaks(store: ShardStore, task: FewShotTask) -> list[str]:
    """What the test set shares with the other two: sentences for the report, empty where nothing."""
    leaks = []
    test_subjects = set(task.test.subjects) - {""}
    x_test = _standardised(store.values(task.test.rows))
    for split, dataset in list(task.datasets())[:2]:
        if dataset.study == task.test.study:
            leaks.append(f"{task.config.name}: {split} and test are the same study, {dataset.study}")
        shared = sorted(test_subjects & set(dataset.subjects))
        if shared:
            leaks.append(
                f"{task.config.name}: {len(shared)} of {len(test_subjects)} test subjects are also in "
                f"{split} ({dataset.study}): {', '.join(shared)}"
            )
        correlation_tn = x_test @ _standardised(store.values(dataset.rows)).T
        for i, j in np.argwhere(correlation_tn > NEAR_DUPLICATE):
            leaks.append(
                f"{task.config.name}: test sample {task.test.samples[i]} and {split} sample "
                f"{dataset.samples[j]} correlate at {correlation_tn[i, j]:.5f}"
            )
    return leaks


def _standardised(values_ng: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1; an unmeasured gene counts as the row's mean."""
    centred = np.nan_to_num(values_ng - np.nanmean(values_ng, axis=1, keepdims=True))
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
