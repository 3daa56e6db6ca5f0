"""Held-out studies: an encoder memorises studies, so samples of one are never on both sides."""

import numpy as np
import pandas as pd

from rnalearner.errors import CountsError
from rnalearner.pretrain.counters import counter_generator


def split_studies(
    obs: pd.DataFrame, rows: np.ndarray, validation_share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split `rows` (ascending, of the corpus) by study into training and validation rows, ascending.

    `validation_share` of the studies, rounded, at least one and never all, are held out.
    Raises CountsError where there are fewer than two studies.
    """
    study_n = obs["study"].to_numpy()[rows].astype(str)
    studies = np.unique(study_n)
    if len(studies) < 2:
        what = f"pretraining has {len(studies)} bulk studies left, and validation needs one of its own"
        raise CountsError("corpus", what, "give at least two studies with bulk samples")
    n_held = min(max(1, round(validation_share * len(studies))), len(studies) - 1)
    held = counter_generator(seed, "held-out studies").permutation(studies)[:n_held]
    in_held_n = np.isin(study_n, held)
    return rows[~in_held_n], rows[in_held_n]


def choose_rows(rows: np.ndarray, at_most: int, seed: int) -> np.ndarray:
    """At most so many of `rows`, drawn without replacement, ascending."""
    if len(rows) <= at_most:
        return rows
    return np.sort(counter_generator(seed, "scored samples").choice(rows, at_most, replace=False))
