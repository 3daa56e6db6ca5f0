"""The guide's figures: how its versions came to agree, what moved and how alike, how freely what may move.

Each takes tables or values of a run's guide and gives a matplotlib Figure; no global state. Shapes: v
versions.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from rnalearner.report.names import one_line
from rnalearner.report.svg import BLUE, FAINT, INK, PAPER, styled

WIDTH = 9.0
"""Inches; the page shows it at its own width."""
MOST_TENSORS = 40
CLOSEST = 1e-6
"""Distances of an agreement from 1 are drawn down to here: versions store six decimals."""
LINE: dict[str, Any] = {"color": FAINT, "linestyle": (0, (4, 3)), "linewidth": 1, "zorder": 0}


@styled
def versions_figure(versions: pd.DataFrame, least: float) -> Figure:
    """How far each version of the guide agrees with the one before, against the scouts it is made of.

    `versions` has the columns scouts and agreement (NaN for the first). `least` is the agreement at which
    scouting may stop; 1, which never stops, has no line. The axis is of the distance from 1, logarithmic,
    because all that matters lies between 0.9 and 1.
    """
    known = versions[versions["agreement"].notna()]
    scouts_v, agreement_v = known["scouts"].to_numpy(), known["agreement"].to_numpy(float)
    distance_v = np.maximum(1 - agreement_v, CLOSEST)
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    axis = figure.subplots()
    dot: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 4.5}
    axis.plot(scouts_v, distance_v, color=BLUE, linewidth=1.2, zorder=1)
    stops = least < 1
    enough_v = (agreement_v >= least) | (not stops)
    for shown_v, face in ((enough_v, BLUE), (~enough_v, PAPER)):
        axis.plot(scouts_v[shown_v], distance_v[shown_v], linestyle="", markerfacecolor=face, **dot)
    axis.set_yscale("log")
    if stops:
        axis.axhline(1 - least, **LINE)
    ends = np.array([*distance_v, *([1 - least] if stops else [])])
    axis.set_ylim(max(1.3, 1.15 * float(ends.max())), 0.6 * float(ends.min()))
    nines = [10.0**-power for power in range(7) if 10.0**-power > 0.6 * ends.min()]
    axis.set_yticks(nines, [f"{1 - distance:g}" for distance in nines])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axis.set(xlabel="scouts in the version", ylabel="agreement with\nthe version before")
    if stops:
        handles = [
            Line2D([], [], **dot, label=f"{least:g} or more"),
            Line2D([], [], **dot, markerfacecolor=PAPER, label="less"),
            Line2D([], [], **LINE, label="the recipe's guide_agreement: three in a row, and scouting stops"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


@styled
def movement_figure(tensors: pd.DataFrame, by_chance: float | None) -> Figure:
    """How far scouts moved each tensor (bar), and how alike (dot), by layer.

    `tensors` has the columns layer, tensor, moved, share, agreement. `by_chance` is the agreement of scouts
    of which each goes its own way, None where there is one scout. Drawn are the forty tensors that hold
    most of the movement.
    """
    drawn = tensors[tensors["share"].rank(method="first", ascending=False) <= MOST_TENSORS]
    layers = list(dict.fromkeys(drawn["layer"]))
    rows: list[tuple[str, Mapping[Any, Any] | None]] = []
    for layer in layers:
        rows.append((layer, None))
        own = drawn[drawn["layer"] == layer].to_dict("records")
        rows += [(within_layer(row["tensor"]), row) for row in own]
    figure = Figure(figsize=(WIDTH, 1.1 + 0.2 * len(rows)), layout="constrained")
    far, alike = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for y, (_, row) in enumerate(rows):
        if row is not None:
            far.barh(y, row["moved"], height=0.66, color=BLUE, alpha=0.35, linewidth=0)
            alike.plot([0, row["agreement"]], [y, y], color=FAINT, linewidth=0.6)
            alike.plot(row["agreement"], y, "o", color=INK, markersize=3.5)
    if by_chance is not None:
        alike.axvline(by_chance, **LINE)
    _name_rows(far, rows)
    far.set_xlim(left=0)
    far.xaxis.set_major_locator(MaxNLocator(5))
    far.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    far.set_xlabel("moved, root mean square")
    alike.set(xlim=(0, 1.02), xlabel="agreement over scouts (1: all moved it alike)")
    alike.tick_params(axis="y", length=0)
    handles = [
        Line2D([], [], color=BLUE, alpha=0.35, linewidth=7, label="how far"),
        Line2D([], [], color=INK, marker="o", markersize=3.5, linestyle="", label="how alike"),
    ]
    if by_chance is not None:
        handles.append(Line2D([], [], **LINE, label="how alike if each scout went its own way"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


@styled
def guide_figure(values: Mapping[str, Any]) -> Figure:
    """How freely each tensor may move: its guide's mean (bar), median (dot) and middle 90 % (line).

    `values`: name of a tensor -> its guide, in [0, 1]. At most the forty freest tensors are drawn.
    """
    flat = {name: np.asarray(value, float).ravel() for name, value in values.items()}
    freest = sorted(flat, key=lambda name: -flat[name].mean())[:MOST_TENSORS]
    names = [name for name in flat if name in set(freest)][::-1]
    figure = Figure(figsize=(WIDTH, 0.9 + 0.24 * len(names)), layout="constrained")
    axis = figure.subplots()
    for y, name in enumerate(names):
        low, median, high = np.quantile(flat[name], [0.05, 0.5, 0.95])
        axis.barh(y, flat[name].mean(), height=0.62, color=BLUE, alpha=0.35, linewidth=0)
        axis.plot([low, high], [y, y], color=INK, linewidth=1.2, solid_capstyle="butt")
        axis.plot(median, y, "o", color=INK, markersize=3.5)
    axis.set_yticks(range(len(names)), [one_line(name) for name in names])
    # The guide is often small nearly everywhere: the axis ends where the lines do.
    end = min(1.0, 1.05 * max(float(max(np.quantile(v, 0.95), v.mean())) for v in (flat[n] for n in names)))
    axis.set(xlim=(0, end or 1.0), ylim=(-0.6, len(names) - 0.4), xlabel="guide (0: stays, 1: moves freely)")
    axis.tick_params(axis="y", length=0)
    handles = [
        Line2D([], [], color=BLUE, alpha=0.35, linewidth=7, label="mean"),
        Line2D([], [], color=INK, marker="o", markersize=3.5, linewidth=1.2, label="median, middle 90 %"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def within_layer(tensor: str) -> str:
    """A tensor's name without what its layer says already: `performer.net.layers.5.0.fn.to_q.weight` ->
    `to_q.weight`."""
    bare = re.sub(r"^performer\.net\.layers\.\d+\.\d\.(fn\.)*", "", tensor)
    return bare if bare != tensor else tensor.partition(".")[2] or tensor


def _name_rows(axis: Axes, rows: list[tuple[str, Mapping[Any, Any] | None]]) -> None:
    """Names at the left, the first row on top, layers in bold."""
    labels = axis.set_yticks(range(len(rows)), [one_line(name) for name, _ in rows])
    for label, (_, row) in zip(labels, rows, strict=True):
        label.label1.set_fontweight("bold" if row is None else "normal")
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
