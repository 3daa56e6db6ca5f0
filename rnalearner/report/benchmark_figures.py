"""The benchmark's figures: means over families, paired differences, every task. No global state.

Each takes tables of `benchmark_tables` and gives a matplotlib Figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnalearner.report.arm_names import readable
from rnalearner.report.names import one_line
from rnalearner.report.svg import AMBER, BLUE, FAINT, GREEN, GREY, INK, PAPER, VERMILION, styled

WIDTH = 9.0
"""Inches; the page shows it at its own width."""
CHANCE: dict[str, Any] = {"color": FAINT, "linestyle": (0, (4, 3)), "linewidth": 1, "zorder": 0}
FARTHEST = 0.45
"""Differences are drawn up to here: an arm at chance must not press all others together."""
COLUMNS = 5


@dataclass(frozen=True)
class Look:
    """How an arm is drawn wherever it is."""

    colour: str
    marker: str
    dash: Any = "-"


LOOKS = {
    "guided_linear": Look(INK, "D"),
    "guided_linear_shuffled": Look(AMBER, "D", (0, (1, 1.2))),
    "none": Look(GREY, "o", (0, (1, 1.2))),
    "pretrained": Look(BLUE, "o"),
    "guided": Look(VERMILION, "o"),
    "guided_shuffled": Look(AMBER, "o", (0, (3, 1.5))),
    "lr_l1_c10": Look(GREEN, "s"),
    "knn_3": Look(GREEN, "^", (0, (1, 1.2))),
    "t_signature_100": Look(GREEN, "v", (0, (3, 1.5))),
}


def featured(names: Sequence[str]) -> dict[str, Look]:
    """The arms with a colour of their own, in the order in which they are named; others are grey."""
    return {name: LOOKS[name] for name in names if name in LOOKS}


@styled
def macro_figure(arms: pd.DataFrame, looks: Mapping[str, Look]) -> Figure:
    """Macro AUROC of each arm by k, with 95 % intervals over families."""
    ks = sorted(arms["k"].unique())
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axis = figure.subplots()
    axis.axhline(0.5, **CHANCE)
    step = min(0.12, 0.62 / max(1, len(looks) - 1))
    for place, (name, look) in enumerate(looks.items()):
        rows = arms[arms["arm"] == name].set_index("k").reindex(ks)
        across = np.arange(len(ks)) + (place - (len(looks) - 1) / 2) * step
        axis.vlines(across, rows["low"], rows["high"], color=look.colour, linewidth=1.3, alpha=0.75)
        axis.plot(
            across, rows["mean"], color=look.colour, linestyle=look.dash, linewidth=1, alpha=0.9,
            marker=look.marker, markersize=5, markerfacecolor=look.colour, label=readable(name),
        )  # fmt: skip
    axis.set_xticks(range(len(ks)), [f"k = {k}" for k in ks])
    axis.set(xlim=(-0.5, len(ks) - 0.5), ylabel="AUROC, mean over families")
    axis.tick_params(axis="x", length=0)
    figure.legend(loc="outside upper center", ncols=min(len(looks), 5), handletextpad=0.5)
    return figure


@styled
def forest_figure(differences: pd.DataFrame) -> Figure:
    """Paired differences of AUROC with 95 % intervals over families, a panel a k.

    `differences` has a row a comparison: label, k, centred, families, mean, low, high. Colours say where
    the interval lies: above 0, below 0, or on both sides.
    """
    ks = sorted(differences["k"].unique())
    labels = list(dict.fromkeys(differences["label"]))
    twice = set(differences[differences.duplicated(["label", "k"])]["label"])
    level = {label: -place for place, label in enumerate(labels)}
    figure = Figure(figsize=(WIDTH, 1.1 + 0.26 * len(labels)), layout="constrained")
    axes = figure.subplots(1, len(ks), sharex=True, sharey=True, squeeze=False).ravel()
    for axis, k in zip(axes, ks, strict=True):
        rows = differences[(differences["k"] == k) & differences["mean"].notna()]
        axis.axvline(0, **CHANCE)
        for row in rows.to_dict("records"):
            shift = 0.17 * (1 - 2 * row["centred"]) * (row["label"] in twice)
            _whisker(axis, row, level[row["label"]] + shift, filled=row["centred"])
        axis.set_title(
            f"k = {k}, {int(rows['families'].max())} families" if len(rows) else f"k = {k}", loc="left"
        )
        axis.set_yticks(list(level.values()), [one_line(label) for label in labels])
        axis.set_ylim(min(level.values()) - 0.6, 0.6)
        axis.tick_params(axis="y", length=0)
    ends = differences[["mean", "low", "high"]].clip(-FARTHEST, FARTHEST)
    axes[0].set_xlim(min(ends.min().min(), 0) - 0.02, max(ends.max().max(), 0) + 0.02)
    figure.supxlabel("difference of AUROC", fontsize=9)
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=5, label=label)
        for colour, label in ((GREEN, "interval above 0"), (GREY, "not told from 0"), (VERMILION, "below 0"))
    ]
    if twice:
        handles += [
            Line2D([], [], color=GREY, marker="o", linestyle="", markersize=5, label="centred"),
            Line2D(
                [], [], color=GREY, marker="o", linestyle="", markersize=5, markerfacecolor="none",
                label="as it is",
            ),
        ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=5, handletextpad=0.5)
    return figure


@styled
def tasks_figure(tasks: pd.DataFrame, looks: Mapping[str, Look]) -> Figure:
    """AUROC by k on every task, a panel a task; arms without a colour are thin grey lines.

    `tasks` has a row a task, k and arm: task, family, k, arm, auroc (mean over draws and seeds).
    """
    names = list(dict.fromkeys(tasks["task"]))
    ks = sorted(tasks["k"].unique())
    place = {k: i for i, k in enumerate(ks)}
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(WIDTH, 0.7 + 1.55 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis, name in zip(axes, names, strict=False):
        axis.axhline(0.5, **CHANCE)
        of_task = tasks[tasks["task"] == name]
        for arm, of_arm in of_task.groupby("arm", sort=False):
            across = of_arm.sort_values("k")
            x = across["k"].map(place)
            look = looks.get(arm)
            if look is None:
                axis.plot(x, across["auroc"], color=FAINT, linewidth=0.6, alpha=0.55, zorder=1)
            else:
                axis.plot(
                    x, across["auroc"], color=look.colour, linestyle=look.dash, linewidth=1.3,
                    marker=look.marker, markersize=3.4, zorder=3,
                )  # fmt: skip
        axis.set_title(_two_lines(one_line(name)), loc="left", fontsize=8.5)
        axis.set_xticks(range(len(ks)), [str(k) for k in ks])
        axis.tick_params(labelbottom=True)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    low = float(tasks["auroc"].min())
    axes[0].set(xlim=(-0.3, len(ks) - 0.7), ylim=(max(0.0, min(low, 0.5) - 0.04), 1.04))
    figure.supxlabel("training samples a class", fontsize=9)
    figure.supylabel("AUROC", fontsize=9)
    handles = [
        Line2D(
            [],
            [],
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker,
            markersize=4,
            label=readable(arm),
        )
        for arm, look in looks.items()
    ]
    handles.append(Line2D([], [], color=FAINT, linewidth=0.8, label="other arms"))
    figure.legend(handles=handles, loc="outside upper center", ncols=5, handletextpad=0.5)
    return figure


def _whisker(axis: Axes, row: Mapping[Any, Any], y: float, *, filled: bool) -> None:
    """A dot with its interval, in the colour of what it shows; a dot alone where there is no interval."""
    colour = GREEN if row["low"] > 0 else VERMILION if row["high"] < 0 else GREY
    if np.isfinite(row["low"]):
        axis.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.3, alpha=0.8)
    face = colour if filled else PAPER
    axis.plot(row["mean"], y, "o", color=colour, markerfacecolor=face, markersize=4.5, markeredgewidth=1.1)


def _two_lines(name: str, most: int = 20) -> str:
    """A long name broken at an underscore, so that panels do not run into each other."""
    if len(name) <= most:
        return name
    middle = name.rfind("_", 0, most)
    return f"{name[: middle + 1]}\n{name[middle + 1 :]}" if middle > 0 else f"{name[: most - 1]}…"
