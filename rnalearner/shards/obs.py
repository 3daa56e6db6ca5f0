"""The table of samples beside the counts: one row a sample, the columns of all studies."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rnalearner.errors import CountsError

REQUIRED = ("sample", "study", "modality", "subject", "tissue", "total", "n_expressed")
MOST_COLUMNS = 64
"""Ten thousand public studies name thousands of attributes, most of them once."""
OTHERS = "other_attributes"
"""What has no column of its own, as `name;;value|name;;value`."""


def checked_obs(obs: pd.DataFrame, where: Path) -> pd.DataFrame:
    """`obs` with the columns in REQUIRED (`sample` may be its index) and a plain index.

    Raises CountsError naming missing columns, or samples without a usable total.
    """
    if "sample" not in obs.columns and not isinstance(obs.index, pd.RangeIndex):
        obs = obs.assign(sample=obs.index)
    obs = obs.reset_index(drop=True)
    if missing := [name for name in REQUIRED if name not in obs.columns]:
        raise CountsError(where, f"samples come without {', '.join(missing)}", "add these columns to obs")
    total_n = pd.to_numeric(obs["total"], errors="coerce").to_numpy(float)
    if (bad_n := ~(np.isfinite(total_n) & (total_n > 0))).any():
        name = obs["sample"][int(bad_n.argmax())]
        raise CountsError(
            where, f"sample {name} has total {total_n[bad_n][0]}", "drop samples without counts"
        )
    return obs


def joined_obs(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All `frames` under each other; what a study does not say is "" in a column of text.

    A column stays numeric (NaN where not said) only if every study that has it gives numbers.
    """
    names = list(dict.fromkeys([*REQUIRED, *(name for frame in frames for name in frame.columns)]))
    return pd.DataFrame({str(name): _joined_column(name, frames) for name in names})


def frequent_columns(frames: Iterable[pd.DataFrame], always: Iterable[str]) -> set[str]:
    """The columns that stay: required ones, `always`, and those that most samples say something in."""
    said: Counter[str] = Counter()
    for frame in frames:
        for name in frame.columns:
            said[str(name)] += int((frame[name].notna() & (frame[name] != "")).sum())
    kept = {*REQUIRED, *always, OTHERS}
    by_use = sorted((name for name in said if name not in kept), key=lambda name: (-said[name], name))
    return kept | set(by_use[:MOST_COLUMNS])


def with_columns(frame: pd.DataFrame, kept: set[str]) -> pd.DataFrame:
    """`frame` with these columns; what others say goes into OTHERS."""
    rare = [name for name in frame.columns if name not in kept]
    if not rare:
        return frame
    texts = frame[OTHERS].tolist() if OTHERS in frame else [""] * len(frame)
    for name in rare:
        values = frame[name].tolist()
        for row, value in enumerate(values):
            if not pd.isna(value) and value != "":
                texts[row] += f"{'|' if texts[row] else ''}{name};;{value}"
    return frame.drop(columns=rare).assign(**{OTHERS: texts})


def _joined_column(name: str, frames: Sequence[pd.DataFrame]) -> np.ndarray:
    # By hand, because pandas.concat guesses the type of columns that a study leaves empty.
    values: list[object] = []
    for frame in frames:
        values.extend(frame[name].tolist() if name in frame.columns else [None] * len(frame))
    if name == "total":
        return np.array(values, dtype=np.float64)
    if name == "n_expressed":
        return np.array(values, dtype=np.int64)
    missing = pd.isna(pd.Series(values, dtype=object)).to_numpy()
    said = [value for value, gone in zip(values, missing, strict=True) if not gone]
    if name not in REQUIRED and said:
        if all(isinstance(value, bool | np.bool_) for value in said) and not missing.any():
            return np.array(values, dtype=bool)
        if all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in said):
            return np.array([np.nan if gone else value for value, gone in zip(values, missing, strict=True)])
    return np.array(["" if gone else str(v) for v, gone in zip(values, missing, strict=True)], dtype=object)
