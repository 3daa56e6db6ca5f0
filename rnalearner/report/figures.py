"""The report's figures. Each takes a table of the run and gives a matplotlib Figure; no global state.

The tables' columns are named in `inputs.SCHEMAS` and `tables`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnalearner.report.names import one_line
from rnalearner.report.svg import AMBER, BLUE, FAINT, GREEN, GREY, INK, PAPER, VERMILION, styled
from rnalearner.report.tables import ARM_ORDER, PREDICTORS

ARM_COLOURS = {"none": GREY, "pretrained": BLUE, "guided": VERMILION}
WIDTH = 9.0
"""Inches; the page shows it at its own width."""


@styled
def accuracy_figure(arms: pd.DataFrame | None, linear: pd.DataFrame | None) -> Figure:
    """Accuracy with its 95 % interval, a panel a task: encoder and guided linear above, rivals below.

    `arms` are rows of `tables.arm_table` and `tables.learner_table`, `linear` of `tables.rival_table`;
    either may be missing.
    """
    ours, rivals = ([] if t is None else t.to_dict("records") for t in (arms, linear))
    scored = {row["task"]: (int(row["n_test"]), row["scored_on"]) for row in ours + rivals}
    tasks = list(scored)
    names = _in_order(row["arm"] for row in ours) + list(dict.fromkeys(row["arm"] for row in rivals))
    level = {name: -i - 0.6 * (i >= len({row["arm"] for row in ours})) for i, name in enumerate(names)}
    columns = min(len(tasks), 3)
    rows = -(-len(tasks) // columns)
    figure = Figure(figsize=(WIDTH, rows * (1.1 + 0.31 * len(names))), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    n_classes = {row["task"]: row["n_classes"] for row in ours + rivals}
    for axis, task in zip(axes, tasks, strict=False):
        axis.axvline(1 / n_classes[task], color=FAINT, linestyle=(0, (4, 3)), linewidth=1)
        for row in (row for row in ours if row["task"] == task):
            colour = ARM_COLOURS.get(row["arm"], AMBER)
            _whisker(axis, row, "", level[row["arm"]] + 0.15, "o", colour, filled=True)
            _whisker(axis, row, "unseen_", level[row["arm"]] - 0.22, "o", colour, filled=False)
        for row in (row for row in rivals if row["task"] == task):
            shift = -0.17 if row["centred"] else 0.17
            _whisker(axis, row, "", level[row["arm"]] + shift, "s", GREEN, filled=bool(row["centred"]))
        n_scored, scored_on = scored[task]
        samples = "test samples" if scored_on == "test" else scored_on
        axis.set_title(f"{one_line(task)}, {n_scored} {samples}", loc="left")
        axis.set_yticks([level[name] for name in names], [one_line(name.replace("_", " ")) for name in names])
        axis.set(xlim=(-0.03, 1.03), ylim=(min(level.values()) - 0.6, 0.6))
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"])
        axis.tick_params(axis="y", length=0)
        axis.tick_params(labelbottom=True)
    for axis in axes[len(tasks) :]:
        axis.set_axis_off()
    figure.supxlabel("accuracy, %", fontsize=9)
    marks = [
        ("all samples", "o", INK, True),
        ("unseen subjects only", "o", INK, False),
        ("rival", "s", GREEN, False),
        ("rival, centred", "s", GREEN, True),
    ]
    handles = [
        Line2D([], [], marker=mark, color=colour, markerfacecolor=colour if full else "none", label=label)
        for label, mark, colour, full in marks
    ]
    handles.append(Line2D([], [], color=FAINT, linestyle=(0, (4, 3)), label="chance"))
    figure.legend(handles=handles, loc="outside upper center", ncols=5, handletextpad=0.5)
    return figure


@styled
def curves_figure(curves: pd.DataFrame, task: str, chance: float = 0.5) -> Figure:
    """Accuracy (top) and loss (bottom) over epochs, a column an arm, after the paper's figure 7.

    Lines are means over seeds, bands the range of the seeds.
    """
    of_task = curves[(curves["task"] == task) & curves["split"].isin(("train", "validation"))]
    arms = _in_order(of_task["arm"])
    figure = Figure(figsize=(WIDTH, 4.3), layout="constrained")
    axes = figure.subplots(2, len(arms), sharex=True, sharey="row", squeeze=False)
    for column, arm in zip(axes.T, arms, strict=True):
        of_arm = of_task[of_task["arm"] == arm]
        for axis, score in zip(column, ("accuracy", "loss"), strict=True):
            if score == "accuracy":
                axis.axhline(chance, color=FAINT, linestyle=(0, (4, 3)), linewidth=1)
                axis.set_ylim(-0.03, 1.03)
            for split, colour, dash in (("train", GREY, (0, (3, 1.5))), ("validation", BLUE, "-")):
                of_split = of_arm[of_arm["split"] == split]
                if of_split.empty:  # nothing was watched
                    continue
                by_epoch = of_split.groupby("epoch")[score]
                mean = by_epoch.mean()
                axis.fill_between(mean.index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.18, lw=0)
                axis.plot(mean.index, mean, color=colour, linestyle=dash, linewidth=1.6, label=split)
        column[0].set_title(f"{one_line(arm)}, {of_arm['seed'].nunique()} seeds", loc="left")
        column[1].set_xlabel("epoch")
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("loss")
    axes[1, 0].set_ylim(bottom=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


@styled
def pretraining_figure(pretrain: pd.DataFrame) -> Figure:
    """Masked loss and accuracy over steps, with both trivial predictors as lines."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    step = pretrain["step"]
    loss.plot(step, pretrain["train_loss"], color=GREY, linestyle=(0, (3, 1.5)), label="encoder, training")
    marker = "o" if len(pretrain) < 40 else None
    for axis, name in ((loss, "valid_loss"), (accuracy, "valid_accuracy")):
        axis.plot(step, pretrain[name], color=BLUE, marker=marker, markersize=3, label="encoder, held out")
    of_bins = "interpolated" not in set(pretrain.get("model_values", ()))
    first, second = PREDICTORS["bins" if of_bins else "interpolated"]
    trivial = (
        ("commonest_loss", "commonest_accuracy", first, AMBER, (0, (1, 1.5))),
        ("mode_loss", "mode_accuracy", "each gene's own bins" if of_bins else second, VERMILION, (0, (6, 2))),
    )
    for loss_name, accuracy_name, label, colour, dash in trivial:
        for axis, name in ((loss, loss_name), (accuracy, accuracy_name)):
            axis.plot(step, pretrain[name], color=colour, linestyle=dash, linewidth=1.4, label=label)
    loss.set(xlabel="step", ylabel=f"masked loss{', nats a gene' if of_bins else ''}")
    loss.set_ylim(bottom=0)
    accuracy.set(xlabel="step", ylabel="masked accuracy", ylim=(0, 1))
    handles, labels = loss.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def _whisker(
    axis: Axes, row: Mapping[Any, Any], prefix: str, y: float, marker: str, colour: str, *, filled: bool
) -> None:
    """A dot with its interval; nothing where there is no number."""
    mean, low, high = (row[prefix + name] for name in ("accuracy", "low", "high"))
    if np.isnan(mean):
        return
    axis.plot([low, high], [y, y], color=colour, linewidth=1.3, alpha=0.75, solid_capstyle="butt")
    face = colour if filled else PAPER
    axis.plot(mean, y, marker, color=colour, markerfacecolor=face, markersize=5, markeredgewidth=1.2)


def _in_order(arms: Iterable[str]) -> list[str]:
    present = list(dict.fromkeys(arms))
    return [arm for arm in ARM_ORDER if arm in present] + [arm for arm in present if arm not in ARM_ORDER]
