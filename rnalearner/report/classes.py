"""The classes of a task: their probabilities in a table, and their names."""

import re

import numpy as np
import pandas as pd

from rnalearner.config import RunConfig


def class_columns(predictions: pd.DataFrame) -> list[str]:
    """Columns p0, p1, ... of these rows' classes, in their order.

    A table has as many as its largest task has classes; those beyond a task's own are empty.
    """
    found = [name for name in predictions.columns if re.fullmatch(r"p\d+", name)]
    found.sort(key=lambda name: int(name[1:]))
    n_own = [place + 1 for place, name in enumerate(found) if predictions[name].notna().any()]
    return found[: max([2, *n_own])]


def probabilities(predictions: pd.DataFrame) -> np.ndarray:
    """n x c, NaN where there is none."""
    return predictions[class_columns(predictions)].to_numpy(float)


def class_names(config: RunConfig, task: str, n_classes: int) -> tuple[str, ...]:
    """As the task's labels spell them; of a task that the recipe does not know, what can be said."""
    names = {known.name: known.class_names for known in config.tasks}
    unknown = ("negative", "positive") if n_classes == 2 else tuple(f"class {k}" for k in range(n_classes))
    return names.get(task, unknown)
