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
    train, validation, test = (_dataset(store.obs, config, study) for study in config.studies)
    seen = set(train.subjects) | set(validation.subjects)
    unseen_n = np.array([subject == "" or subject not in seen for subject in test.subjects])
    return FewShotTask(config, train, validation, test, unseen_n)


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
