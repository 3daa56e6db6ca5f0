"""The table of results: a row a task, k, draw, seed, arm and centring.

Shapes: m test samples.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.errors import RecipeError
from rnalearner.linear.scores import accuracy, auroc, brier
from rnalearner.spreadsheet import read_csv, write_csv

KEY = ["task", "k", "draw", "seed", "arm", "centred"]
SCORES = ("auroc", "accuracy", "brier")
COLUMNS = ["task", "family", *KEY[1:], *SCORES, "n_test"]
_WHOLE = ("k", "draw", "seed", "n_test")


def result_row(
    loaded: LoadedTask,
    k: int,
    draw: int,
    seed: int,
    arm: str,
    centred: bool,
    y_m: np.ndarray,
    score_m: np.ndarray,
    probability_m: np.ndarray | None,
) -> dict[str, Any]:
    """One row: a score above 0 calls the positive group; Brier is NaN for an arm without probabilities."""
    return {
        "task": loaded.name,
        "family": loaded.family,
        "k": k,
        "draw": draw,
        "seed": seed,
        "arm": arm,
        "centred": centred,
        "auroc": auroc(y_m, score_m),
        "accuracy": accuracy(y_m, score_m > 0),
        "brier": brier(y_m, probability_m),
        "n_test": len(y_m),
    }


def results_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """`result_row`s as a table with the columns in order; no row is no fault."""
    return pd.DataFrame(list(rows), columns=COLUMNS)


def checked_results(table: pd.DataFrame, where: object) -> pd.DataFrame:
    """`table` with the columns COLUMNS in their order and their types.

    Raises RecipeError naming `where`: a column that is missing, a value that is none, a row that
    stands twice, a task of two families.
    """
    remedy = "make the table again with `rnalearner benchmark`"
    if missing := [name for name in COLUMNS if name not in table]:
        raise RecipeError(where, f"has no column {missing[0]}", remedy)
    table = table[COLUMNS].copy()
    try:
        for name in _WHOLE:
            table[name] = table[name].astype(int)
        for name in SCORES:
            table[name] = table[name].astype(float)
    except (ValueError, TypeError) as error:
        raise RecipeError(where, f"column {name} holds no numbers ({error})", remedy) from None
    for name in ("task", "family", "arm"):
        table[name] = table[name].astype(str)
    centred = table["centred"].astype(str)
    if not centred.isin(["True", "False"]).all():
        raise RecipeError(where, "column centred holds more than True and False", remedy)
    table["centred"] = centred == "True"
    for name in SCORES:
        outside = (table[name] < 0) | (table[name] > 1)
        if outside.any():
            what = f"{name} is {table[name][outside].iloc[0]:g} in a row of {table['task'][outside].iloc[0]}"
            raise RecipeError(where, what, remedy)
    if (again := table.duplicated(KEY)).any():
        row = table[again].iloc[0]
        what = f"holds {', '.join(f'{name} {row[name]}' for name in KEY)} twice"
        raise RecipeError(where, what, remedy)
    if (split := table.groupby("task")["family"].nunique() > 1).any():
        raise RecipeError(where, f"task {split.idxmax()} counts for two families", remedy)
    return table


def read_results(path: Path) -> pd.DataFrame:
    """A checked table from a CSV; raises RecipeError where it is none."""
    try:
        # A task or an arm may be called NA; a score that is not there is an empty cell.
        table = read_csv(path, keep_default_na=False, na_values=dict.fromkeys(SCORES, ""))
    except (OSError, ValueError) as error:
        remedy = "make the table again with `rnalearner benchmark`"
        raise RecipeError(path, f"cannot be read ({error})", remedy) from None
    return checked_results(table, path)


def write_results(path: Path, table: pd.DataFrame) -> None:
    """A checked table as CSV, written at once."""
    write_csv(path, checked_results(table, path), float_format="%.8g")


def join_results(tables: Sequence[pd.DataFrame], where: object = "results") -> pd.DataFrame:
    """Tables of pieces under each other, sorted by family, task, k, draw, arm, centring and seed."""
    filled = [table for table in tables if len(table)]
    if not filled:
        return results_table([])
    order = ["family", "task", "k", "draw", "arm", "centred", "seed"]
    joined = pd.concat(filled, ignore_index=True).sort_values(order, ignore_index=True)
    return checked_results(joined, where)
