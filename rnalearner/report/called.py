"""What a task is scored on, and what its main model and its rival say of those samples.

The main model is the one that `predict` asks first: the guided linear learner, or else the last encoder arm.
Shapes: s seeds, n samples, c classes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnalearner.finetune.predict import RIVAL
from rnalearner.linear.rivals import HELD_OUT
from rnalearner.report.arm_names import rival_name
from rnalearner.report.classes import class_columns, probabilities
from rnalearner.report.inputs import RunTables
from rnalearner.report.verdict import IN_TURN

SCORED_ON = {"test": "test", HELD_OUT: IN_TURN}
"""Splits that scores are made of, in words. A task has the second one only where it lacks the first."""
RIVAL_NAME = rival_name(f"{RIVAL}_centred")


@dataclass(frozen=True, eq=False)
class Called:
    """The main model on a task's scored samples, and the centred linear rival on the same."""

    arm: str
    samples: pd.DataFrame
    """sample, subject, study, y; coverage and weight_measured where the learner told them, else NaN."""
    p_snc: np.ndarray
    rival_nc: np.ndarray
    """NaN where the rival did not run."""
    rival_call_n: np.ndarray
    """Class numbers; -1 where it did not run."""

    @property
    def mean_nc(self) -> np.ndarray:
        mean_nc: np.ndarray = self.p_snc.mean(0)
        return mean_nc

    @property
    def silent(self) -> bool:
        """Whether a probability is missing: a model that diverged has none."""
        return bool(np.isnan(self.p_snc).any())

    @property
    def has_rival(self) -> bool:
        return bool((self.rival_call_n >= 0).all())

    @property
    def y_n(self) -> np.ndarray:
        return self.samples["y"].to_numpy(int)


def scored(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows that scores are made of."""
    return predictions[predictions["split"].isin(SCORED_ON)]


def scored_on(tables: RunTables, task: str) -> str | None:
    """In words; None where nothing was scored."""
    found = (tables.guided_predictions, tables.predictions, tables.rival_predictions)
    # The rivals of older runs name no split: they had a test.
    splits = {
        split
        for table in found
        if table is not None
        for split in table[table["task"] == task].get("split", pd.Series("test", table.index[:1])).unique()
    }
    return next((words for split, words in SCORED_ON.items() if split in splits), None)


def called(tables: RunTables, task: str) -> Called | None:
    """None where no model of the task has a scored sample."""
    for table in (tables.guided_predictions, tables.predictions):
        rows = None if table is None else scored(table[table["task"] == task])
        if rows is not None and len(rows):
            arm = str(rows["arm"].iloc[-1])
            return _called(arm, rows[rows["arm"] == arm], tables.rival_predictions, task)
    return None


def _called(arm: str, rows: pd.DataFrame, rivals: pd.DataFrame | None, task: str) -> Called:
    columns, names = class_columns(rows), ["sample", "subject", "study", "y", "coverage", "weight_measured"]
    first = rows.drop_duplicates("sample").reindex(columns=names).reset_index(drop=True)
    p_snc = np.stack(
        [
            of_seed.set_index("sample")[columns].reindex(first["sample"]).to_numpy(float)
            for _, of_seed in rows.groupby("seed", sort=True)
        ]
    )
    rival_nc, call_n = np.full(p_snc.shape[1:], np.nan), np.full(len(first), -1)
    if rivals is not None:
        of_arm = rivals[(rivals["task"] == task) & (rivals["arm"] == RIVAL) & rivals["centred"]]
        of_arm = of_arm.set_index("sample")
        if set(first["sample"]) <= set(of_arm.index):
            of_arm = of_arm.loc[first["sample"]]
            rival_nc, call_n = probabilities(of_arm)[:, : len(columns)], of_arm["call"].to_numpy(int)
    return Called(arm, first, p_snc, rival_nc, call_n)
