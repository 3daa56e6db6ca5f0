"""Which stored samples may teach: bulk, and strangers to every task."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnalearner.config import TaskConfig


@dataclass(frozen=True)
class Corpus:
    """Rows of a store that pretraining, clustering, scouting and gene vectors may see."""

    rows: np.ndarray
    """Global rows, ascending."""
    studies: tuple[str, ...]
    """Their studies, sorted."""
    left_out: dict[str, str]
    """Study -> why none, or not all, of its samples are used."""


def corpus_rows(obs: pd.DataFrame, tasks: Iterable[TaskConfig]) -> Corpus:
    """All bulk samples whose study is in no task and whose subject is in no task's study."""
    named = {study for task in tasks for study in task.studies}
    in_task = obs["study"].isin(named)
    shared = ~in_task & obs["subject"].isin(set(obs.loc[in_task, "subject"]) - {""})
    single_cell = obs["modality"] != "bulk"
    reasons = {
        "a task's study": in_task,
        "shares subjects with a task": shared,
        "single-cell samples": single_cell & ~in_task,
    }
    left_out: dict[str, str] = {}
    for reason, rows in reasons.items():
        for study in map(str, obs.loc[rows, "study"].unique()):
            left_out[study] = f"{left_out[study]}; {reason}" if study in left_out else reason
    chosen = ~(in_task | shared | single_cell)
    studies = tuple(sorted(map(str, obs.loc[chosen, "study"].unique())))
    return Corpus(np.flatnonzero(chosen.to_numpy()), studies, left_out)
