"""What the benchmark shows, in sentences made from its numbers; what it does not show is said, too."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from rnalearner.benchmark.summary import RIVAL
from rnalearner.report.arm_names import readable
from rnalearner.report.benchmark_tables import arm_table, difference_table, preferred
from rnalearner.report.html import number, signed

STEPS = (
    ("guided_linear", RIVAL[0]),
    ("guided_linear", "bagged_l1"),
    ("guided_linear", "guided_linear_shuffled"),
    ("guided", RIVAL[0]),
    ("guided", "guided_linear"),
    ("pretrained", "none"),
    ("guided", "pretrained"),
    ("guided", "guided_shuffled"),
)
"""Does a guided method beat the rival; does pretraining help, does a guide, and what the guide knows?"""
SPOKEN = {
    "guided_linear": "the guided linear model",
    "bagged_l1": "the same learner without a guide",
    "guided_linear_shuffled": "the same with a shuffled guide",
    "none": "the encoder without pretraining",
    "pretrained": "the pretrained encoder",
    "guided": "the guided encoder",
    "guided_shuffled": "the same with a shuffled guide",
}
FEW = 8
"""Families below which a percentile bootstrap is too sure of itself."""


def benchmark_verdict(summary: Mapping[str, Any]) -> list[str]:
    """A sentence on what was compared, on the strongest rivals, and on each comparison that matters."""
    if not summary["arms"]:
        return ["Nothing can be said yet: no task is complete at any k."]
    arms, differences = arm_table(summary), difference_table(summary)
    lines = [_extent(arms), _strongest(arms), *(_difference(differences, *pair) for pair in STEPS)]
    return [line for line in (*lines, _counted(differences)) if line]


def _extent(arms: pd.DataFrame) -> str:
    by_k = arms.groupby("k")[["tasks", "families"]].max()
    extent = "; ".join(
        f"k = {k}: {_number_of(row.tasks, 'task')} of {_number_of(row.families, 'family')}"
        for k, row in by_k.iterrows()
    )
    fewest = int(by_k["families"].min())
    few = (
        f" With {fewest} families an interval is too narrow: where all lean one way, as they do by chance in "
        f"one of {2 ** (fewest - 1)} comparisons, it leaves 0 out."
        if fewest > 1
        else " Of one family alone there is no interval, and nothing is shown."
    )
    return (
        f"Compared were {extent}. A family (tasks of one project, or with shared animals) has one vote; "
        f"intervals are 95 % of a bootstrap over families.{few if fewest < FEW else ''}"
    )


def _strongest(arms: pd.DataFrame) -> str:
    """The best arm without a guide, whose place is flattered by having been picked."""
    unguided = arms[arms["kind"] == "linear"]
    unguided = unguided[~unguided["arm"].isin(("clock_only", "clock_free", "pca10"))]
    if unguided.empty:
        return ""
    best = unguided.loc[unguided.groupby("k")["auroc"].idxmax()]
    listed = "; ".join(f"k = {row['k']}: {_named(row)} {_interval(row)}" for row in best.to_dict("records"))
    return f"Strongest linear arm without a guide, picked here and so flattered: {listed}."


def _difference(differences: pd.DataFrame, arm: str, other: str) -> str:
    """One comparison over all k: where it is shown to be better or worse, and where nothing is shown."""
    if differences.empty or arm == other:
        return ""
    rows = preferred(differences[(differences["arm"] == arm) & (differences["other"] == other)])
    if rows.empty:
        return ""
    listed = "; ".join(
        f"k = {row['k']}: {signed(row['auroc'])}{_bounds(row, signed)}" for row in rows.to_dict("records")
    )
    found = {"better": [], "worse": [], "not told apart": []}  # type: dict[str, list[int]]
    for row in rows.to_dict("records"):
        word = "better" if _above(row) else "worse" if _below(row) else "not told apart"
        found[word].append(row["k"])
    said = ", ".join(f"{word} at {_ks(ks)}" for word, ks in found.items() if ks)
    named = f"{SPOKEN.get(arm, readable(arm))} against {SPOKEN.get(other, readable(other))}"
    return f"{named[0].upper()}{named[1:]}: {said} ({listed})."


def _counted(differences: pd.DataFrame) -> str:
    if differences.empty:
        return ""
    n = len(differences)
    shown = sum(_above(row) or _below(row) for row in differences.to_dict("records"))
    return (
        f"{shown} of {n} differences in this report have an interval without 0; were all arms alike, about "
        f"{max(1, round(n / 20))} would have one by chance."
    )


def _above(row: Mapping[Any, Any]) -> bool:
    return bool(row["auroc_low"] is not None and row["auroc_low"] > 0)


def _below(row: Mapping[Any, Any]) -> bool:
    return bool(row["auroc_high"] is not None and row["auroc_high"] < 0)


def _ks(ks: Sequence[Any]) -> str:
    listed = [str(k) for k in ks]
    return "k = " + (" and ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else listed[0])


def _named(row: Mapping[Any, Any]) -> str:
    return readable(row["arm"]) + (", centred," if row["centred"] else "")


def _interval(row: Mapping[Any, Any]) -> str:
    return f"{number(row['auroc'], 3)}{_bounds(row, number)}"


def _bounds(row: Mapping[Any, Any], written: Callable[[Any, int], str]) -> str:
    """The interval in brackets; nothing where one family gives none."""
    low, high = row["auroc_low"], row["auroc_high"]
    return f" [{written(low, 3)}, {written(high, 3)}]" if low is not None and low == low else ""


def _number_of(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n} {what.removesuffix('y')}{'ies' if what.endswith('y') else 's'}"
