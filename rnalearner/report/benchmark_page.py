"""The benchmark's report: one self-contained HTML file, with summary.json beside it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

import rnalearner
from rnalearner.benchmark.results import write_results
from rnalearner.benchmark.summary import LADDER, RIVAL, summarise
from rnalearner.layout import BenchmarkLayout
from rnalearner.publish import write_json, write_text
from rnalearner.report import benchmark_figures as draw
from rnalearner.report.arm_names import readable
from rnalearner.report.benchmark_markdown import benchmark_markdown
from rnalearner.report.benchmark_tables import (
    KIND_NAMES,
    KINDS,
    against,
    arm_table,
    between,
    difference_table,
    ordered_arms,
    preferred,
)
from rnalearner.report.benchmark_verdict import benchmark_verdict
from rnalearner.report.html import drawn, environment
from rnalearner.spreadsheet import write_csv


def write_benchmark(
    layout: BenchmarkLayout, results: pd.DataFrame, permutation: pd.DataFrame, told: Mapping[str, Any]
) -> dict[str, Any]:
    """Write results.csv, permutation.csv, summary.json, tables.md and report.html; returns the summary.

    `told` is what the results do not say: settings, options, kinds (kind -> arms), asked (the tasks),
    leaks, left, cost, phases_left_out. Raises RecipeError where the results are no table of results.
    """
    write_results(layout.results, results)
    layout.permutation.unlink(missing_ok=True)
    if len(permutation):
        write_csv(layout.permutation, permutation)
    found = summarise(results, permutation=permutation)
    summary = {"version": rnalearner.__version__, **told, **found}
    summary["verdict"] = benchmark_verdict(summary)
    write_json(layout.summary, summary)
    write_text(layout.tables, benchmark_markdown(summary))
    write_text(layout.report, render(summary))
    return summary


def render(summary: Mapping[str, Any]) -> str:
    """The page as text; nothing in it points outside."""
    template = environment().get_template("benchmark.html.jinja")
    if not summary["arms"]:
        return template.render(summary=summary, ks=[], groups=[], tables=[], pictures={}, tasks=[])
    arms, differences = arm_table(summary), difference_table(summary)
    looks = draw.featured(ordered_arms(summary))
    tasks = preferred(pd.DataFrame(summary["tasks"]))
    tasks = tasks.sort_values(
        "task", key=lambda names: names.map([t["name"] for t in summary["asked"]].index)
    )
    return template.render(
        summary=summary,
        ks=summary["ks"],
        groups=_groups(arms),
        tables=_tables(arms, differences),
        pictures=_pictures(arms, differences, tasks, looks),
        tasks=_tasks(summary, tasks),
    )


def _pictures(
    arms: pd.DataFrame, differences: pd.DataFrame, tasks: pd.DataFrame, looks: Mapping[str, draw.Look]
) -> dict[str, Markup]:
    means = preferred(arms).rename(columns={"auroc": "mean", "auroc_low": "low", "auroc_high": "high"})
    means = means.astype(dict.fromkeys(("mean", "low", "high"), float))
    pictures = {"tasks": drawn(draw.tasks_figure, tasks, looks, name="tasks")}
    if looks:
        pictures["macro"] = drawn(draw.macro_figure, means, looks, name="macro")
    for name, rows in (("rival", against(differences, *RIVAL)), ("ladder", between(differences, LADDER))):
        if len(rows):
            pictures[name] = drawn(draw.forest_figure, rows, name=name)
    return pictures


def _groups(arms: pd.DataFrame) -> list[dict[str, Any]]:
    """A group a kind, a row an arm and centring, its scores by k."""
    best = arms.groupby("k")["auroc"].max()
    rows: dict[tuple[str, str, bool], dict[str, Any]] = {}
    for row in arms.to_dict("records"):
        key = (row["kind"], row["arm"], row["centred"])
        named = {"name": readable(row["arm"]), "centred": row["centred"], "by_k": {}}
        by_k = rows.setdefault(key, named)["by_k"]
        by_k[row["k"]] = row | {"best": row["auroc"] == best[row["k"]]}
    return [
        {"name": KIND_NAMES[kind], "rows": [row for (of, _, _), row in rows.items() if of == kind]}
        for kind in KINDS
        if any(of == kind for of, _, _ in rows)
    ]


def _tables(arms: pd.DataFrame, differences: pd.DataFrame) -> list[dict[str, Any]]:
    """A table a k: every score of every arm, and its difference to the strongest rival's AUROC."""
    key, columns = ["k", "arm", "centred"], ["auroc", "auroc_low", "auroc_high"]
    joined = arms.assign(name=[readable(arm) for arm in arms["arm"]])
    if not differences.empty:
        other = (differences["other"] == RIVAL[0]) & (differences["other_centred"] == RIVAL[1])
        named = {column: column.replace("auroc", "difference") for column in columns}
        joined = joined.merge(differences[other][key + columns].rename(columns=named), how="left", on=key)
    else:
        joined = joined.assign(difference=None, difference_low=None, difference_high=None)
    return [{"k": k, "rows": of_k.to_dict("records")} for k, of_k in joined.groupby("k")]


def _tasks(summary: Mapping[str, Any], tasks: pd.DataFrame) -> list[dict[str, Any]]:
    """A task as it was asked, with a row an arm of its AUROC by k."""
    order = {arm: place for place, arm in enumerate(ordered_arms(summary))}
    found = []
    for asked in summary["asked"]:
        of_task = tasks[tasks["task"] == asked["name"]]
        rows: dict[str, dict[str, Any]] = {}
        for row in sorted(of_task.to_dict("records"), key=lambda row: order[row["arm"]]):
            named = {"name": readable(row["arm"]), "centred": row["centred"], "by_k": {}}
            rows.setdefault(row["arm"], named)["by_k"][row["k"]] = row["auroc"]
        found.append({**asked, "rows": list(rows.values())})
    return found
