"""The benchmark's summary as tables that figures and page draw from."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rnalearner.report.arm_names import readable

KINDS = ("guided", "encoder", "linear")
"""In the order of the page: learned from the corpus first, then what learned from the draw alone."""
KIND_NAMES = {"guided": "guided linear", "encoder": "encoder", "linear": "linear, without a guide"}
SCORES = ("auroc", "accuracy", "brier")


def ordered_arms(summary: Mapping[str, Any]) -> list[str]:
    """The arms that have a result, by kind, in the order of their modules."""
    present = {row["arm"] for row in summary["arms"]}
    return [arm for kind in KINDS for arm in summary["kinds"][kind] if arm in present]


def arm_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """A row a k, arm and centring: families, tasks, and of each score mean, low and high.

    Columns: k, arm, centred, kind, families, tasks, then auroc, auroc_low, auroc_high, and so on.
    """
    return _in_order(pd.DataFrame([_flat(row) for row in summary["arms"]]), summary)


def difference_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """The same of paired differences, with other and other_centred; empty where nothing was compared."""
    table = pd.DataFrame([_flat(row) for row in summary["differences"]])
    return table if table.empty else _in_order(table, summary)


def against(differences: pd.DataFrame, other: str, centred: bool) -> pd.DataFrame:
    """Differences to one arm, as `forest_figure` takes them."""
    if differences.empty:
        return differences
    chosen = differences[(differences["other"] == other) & (differences["other_centred"] == centred)]
    return _forest(chosen.assign(label=[readable(arm) for arm in chosen["arm"]]))


def between(differences: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Differences inside `pairs` of arms, in their order, as `forest_figure` takes them."""
    if differences.empty:
        return differences
    rank = {pair: place for place, pair in enumerate(pairs)}
    place = [rank.get(pair, -1) for pair in zip(differences["arm"], differences["other"], strict=True)]
    chosen = differences.assign(place=place)
    chosen = chosen[chosen["place"] >= 0].sort_values("place", kind="stable")
    labels = [f"{readable(a)} − {readable(b)}" for a, b in zip(chosen["arm"], chosen["other"], strict=True)]
    return _forest(chosen.assign(label=labels))


def preferred(table: pd.DataFrame) -> pd.DataFrame:
    """One row where an arm was run both as it is and centred: the centred one."""
    keys = [name for name in ("task", "k", "arm") if name in table]
    return table.sort_values("centred", ascending=False, kind="stable").drop_duplicates(keys).sort_index()


def _forest(table: pd.DataFrame) -> pd.DataFrame:
    names = {"auroc": "mean", "auroc_low": "low", "auroc_high": "high"}
    return table.rename(columns=names).astype(dict.fromkeys(names.values(), float))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in row.items() if name not in SCORES}
    for score in SCORES:
        bounds = row[score]
        flat |= {score: bounds["mean"], f"{score}_low": bounds["low"], f"{score}_high": bounds["high"]}
    return flat


def _in_order(table: pd.DataFrame, summary: Mapping[str, Any]) -> pd.DataFrame:
    rank = {arm: place for place, arm in enumerate(ordered_arms(summary))}
    kind_of = {arm: kind for kind in KINDS for arm in summary["kinds"][kind]}
    table = table.assign(rank=table["arm"].map(rank), kind=table["arm"].map(kind_of))
    return table.sort_values(["k", "rank", "centred"]).drop(columns="rank").reset_index(drop=True)
