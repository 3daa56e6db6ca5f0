"""A few-shot task as data: three datasets and their labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnalearner.config import TaskConfig
from rnalearner.errors import LabelError
from rnalearner.shards.read import ShardStore

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """Labelled samples of one study: y is the number of a sample's class in `TaskConfig.classes`."""

    study: str
    rows: np.ndarray
    y_n: np.ndarray
    samples: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class FewShotTask:
    """The datasets of one task, and which test samples are of unseen subjects."""

    config: TaskConfig
    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    unseen_n: np.ndarray
    """True for test samples whose subject is in neither other dataset; empty without a test."""

    @property
    def n_classes(self) -> int:
        return len(self.config.classes)

    def datasets(self) -> Iterator[tuple[str, Dataset]]:
        """Split and dataset of those that the task has, training first."""
        for split, dataset in zip(SPLITS, (self.train, self.validation, self.test), strict=True):
            if dataset is not None:
                yield split, dataset


def fewshot_task(store: ShardStore, config: TaskConfig) -> FewShotTask:
    """Find a task's samples; raises LabelError naming the study, the column, and what it holds."""
    train = _dataset(store.obs, config, config.train, at_least=len(config.classes))
    # Who is only watched or judged may lack a class, but a score needs two of them.
    validation, test = (
        None if study is None else _dataset(store.obs, config, study, at_least=2)
        for study in (config.validation, config.test)
    )
    seen = set(train.subjects) | set(validation.subjects if validation is not None else ())
    subjects = test.subjects if test is not None else ()
    unseen_n = np.array([subject == "" or subject not in seen for subject in subjects], dtype=bool)
    return FewShotTask(config, train, validation, test, unseen_n)


def _dataset(obs: pd.DataFrame, config: TaskConfig, study: str, at_least: int) -> Dataset:
    """The study's samples of any class; raises LabelError unless `at_least` classes are among them."""
    where = f"task {config.name}, study {study}"
    of_study = obs[obs["study"] == study]
    if of_study.empty:
        known = ", ".join(sorted(obs["study"].unique())[:10])
        raise LabelError(where, "no sample of this study was read", f"choose among {known} ...")
    if config.column not in obs.columns:
        columns = ", ".join(obs.columns)
        raise LabelError(where, f"there is no column {config.column!r}", f"choose among {columns}")
    values = of_study[config.column].astype(str)
    number_of = {value: number for number, group in enumerate(config.classes) for value in group}
    labelled = values.isin(number_of)
    y_n = values[labelled].map(number_of).to_numpy(np.int64)
    missing = sorted(set(range(len(config.classes))) - set(y_n.tolist()), reverse=True)
    if len(config.classes) - len(missing) < at_least:
        kind, field = _class_words(config, missing[0])
        wanted = " or ".join(config.classes[missing[0]])
        held = ", ".join(sorted(set(values) - {""})[:8])
        what = f"column {config.column!r} has no {kind} ({wanted}); it holds {held or 'nothing'}"
        remedy = f"mend the sheet or the task's `{field}`: {at_least} groups are needed"
        raise LabelError(where, what, remedy)
    chosen = of_study[labelled]
    return Dataset(
        study=study,
        rows=chosen.index.to_numpy(),
        y_n=y_n,
        samples=tuple(chosen["sample"].astype(str)),
        subjects=tuple(chosen["subject"].astype(str)),
    )


def _class_words(config: TaskConfig, number: int) -> tuple[str, str]:
    """What a sample of the class is called, and the task's field that names it."""
    if config.groups:
        return "sample of a group", "groups"
    field = ("negative", "positive")[number]
    return f"{field} sample", field
