"""The benchmark's tables in Markdown: to be pasted into a paper, an issue or docs/results.md as they are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from rnalearner.report.arm_names import readable
from rnalearner.report.benchmark_tables import arm_table, difference_table, preferred
from rnalearner.report.html import number, signed
from rnalearner.report.names import markdown


def benchmark_markdown(summary: Mapping[str, Any]) -> str:
    """Verdict, AUROC and Brier score of every arm, paired differences, and AUROC of every task."""
    parts = ["\n".join(f"- {markdown(line)}" for line in summary["verdict"])]
    if summary["arms"]:
        ks = summary["ks"]
        arms, differences = arm_table(summary), difference_table(summary)
        parts.append(_table("AUROC", ["arm", "centred"], arms, ks, "auroc", number))
        parts.append(_table("Brier score", ["arm", "centred"], arms, ks, "brier", number))
        if not differences.empty:
            keys = ["arm", "centred", "other"]
            parts.append(_table("Difference in AUROC", keys, differences, ks, "auroc", signed))
        parts.append(_of_tasks(summary, ks))
    return "\n\n".join(parts) + "\n"


def _table(
    title: str,
    keys: Sequence[str],
    table: pd.DataFrame,
    ks: Sequence[int],
    score: str,
    written: Callable[[Any, int], str],
) -> str:
    """A row an arm (and what it is compared to), a column a k: mean and interval."""
    rows: dict[tuple[Any, ...], dict[int, str]] = {}
    for row in table.to_dict("records"):
        named = tuple(_word(key, row[key]) for key in keys)
        rows.setdefault(named, {})[row["k"]] = _estimate(row, score, written)
    lines = [[*named, *(by_k.get(k, "–") for k in ks)] for named, by_k in rows.items()]
    return _lined(title, [*keys, *(f"k = {k}" for k in ks)], lines)


def _of_tasks(summary: Mapping[str, Any], ks: Sequence[int]) -> str:
    tasks = preferred(pd.DataFrame(summary["tasks"]))
    found = tasks.set_index(["task", "arm", "k"])["auroc"]
    arms = list(dict.fromkeys(tasks["arm"]))
    lines = [
        [asked["name"], readable(arm), *(number(found.get((asked["name"], arm, k)), 3) for k in ks)]
        for asked in summary["asked"]
        for arm in arms
        if asked["name"] in set(tasks["task"])
    ]
    return _lined("AUROC by task", ["task", "arm", *(f"k = {k}" for k in ks)], lines)


def _lined(title: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    header, *rows = ([markdown(cell) for cell in row] for row in (names, *lines))
    table = "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(names), *rows))
    return f"### {title}\n\n{table}"


def _word(key: str, value: Any) -> str:
    if key == "centred":
        return "yes" if value else "no"
    return readable(value)


def _estimate(row: Mapping[Any, Any], score: str, written: Callable[[Any, int], str]) -> str:
    mean, low, high = row[score], row[f"{score}_low"], row[f"{score}_high"]
    if mean is None or mean != mean:
        return "–"
    bounds = f" [{written(low, 3)}, {written(high, 3)}]" if low is not None and low == low else ""
    return f"{written(mean, 3)}{bounds}"
