"""ROC and calibration of a task's main model, with the linear rival in grey, and what they can tell.

Shapes: n samples, c classes.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnalearner.linear.scores import auroc
from rnalearner.report.called import RIVAL_NAME, Called
from rnalearner.report.curves import (
    ENOUGH_FOR_ERROR,
    auroc_interval,
    calibration_bins,
    calibration_error,
    roc_points,
)
from rnalearner.report.metrics import Estimate, accuracy_interval
from rnalearner.report.names import one_line
from rnalearner.report.svg import AMBER, FAINT, GREY, styled

WIDTH, HEIGHT = 9.0, 3.6
"""Inches of a figure, and of a panel, which is a square; the page shows all figures at its own width."""
MOST_PANELS = 12


@styled
def roc_figure(said: Called, classes: Sequence[str], main: str) -> Figure:
    """ROC of the main model with the exact 95 % interval of each sensitivity, the linear rival in grey."""
    shown = [1] if len(classes) == 2 else list(range(len(classes)))[:MOST_PANELS]
    figure, axes = _panels(len(shown))
    for axis, number in zip(axes, shown, strict=False):
        positive_n = said.y_n == number
        axis.plot([0, 1], [0, 1], color=FAINT, linestyle=(0, (4, 3)), linewidth=1)
        rival, own = (roc_points(positive_n, p_nc[:, number]) for p_nc in (said.rival_nc, said.mean_nc))
        axis.plot(rival["false_positive_rate"], rival["sensitivity"], color=GREY, linewidth=1.3)
        axis.fill_between(own["false_positive_rate"], own["low"], own["high"], color=AMBER, alpha=0.18, lw=0)
        axis.plot(own["false_positive_rate"], own["sensitivity"], color=AMBER, linewidth=1.8)
        title = f"{one_line(classes[number], 24)}: {int(positive_n.sum())} of {len(positive_n)}"
        axis.set_title(title, loc="left")
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="false positive rate", ylabel="sensitivity")
    _legend(figure, main, said.has_rival)
    return figure


@styled
def calibration_figure(said: Called, classes: Sequence[str], main: str) -> Figure:
    """How often the main model is right where it gives a probability, with exact 95 % intervals."""
    figure, (axis, *_) = _panels(1)
    axis.plot([0, 1], [0, 1], color=FAINT, linestyle=(0, (4, 3)), linewidth=1)
    for p_nc, colour, shift in ((said.rival_nc, GREY, 0.012), (said.mean_nc, AMBER, 0.0)):
        bins = calibration_bins(*_events(said, p_nc))
        place = bins["probability"] + shift
        axis.vlines(place, bins["low"], bins["high"], color=colour, linewidth=1.3, alpha=0.75)
        axis.plot(place, bins["share"], "o", color=colour, markersize=5)
    name = f"probability of {one_line(classes[1], 24)}" if len(classes) == 2 else "probability of the call"
    axis.set(xlim=(-0.02, 1.04), ylim=(-0.02, 1.02), xlabel=name)
    axis.set_ylabel("came true, share of the samples")
    _legend(figure, main, said.has_rival)
    return figure


def roc_caption(said: Called, classes: Sequence[str], scored_on: str) -> str:
    """What so many samples can tell, in words."""
    counts_c = np.bincount(said.y_n, minlength=len(classes))
    own = auroc_interval(auroc(said.y_n, said.mean_nc), said.y_n)
    rival = auroc_interval(auroc(said.y_n, said.rival_nc), said.y_n)
    sizes = " and ".join(
        f"{n} {name.replace('|', ' or ')}" for n, name in zip(counts_c, classes, strict=True)
    )
    how = "" if len(classes) == 2 else ", the mean of each class against the rest"
    told = [f"{_samples(scored_on).capitalize()}: {sizes}."]
    if not np.isnan(own.mean):
        beside = "" if np.isnan(rival.mean) else f"; the rival's is {_interval(rival)}"
        told.append(f"The AUROC{how} is {_interval(own)}{beside}.")
        chance = "holds" if own.low <= 0.5 <= own.high else "excludes"
        told.append(f"So few samples cannot tell apart models in that interval, which {chance} chance, 0.5.")
    fewest = int(counts_c[counts_c > 0].min())
    told.append(
        f"One sample more or less of the smallest group moves its rate by {100 / fewest:.0f} points; the "
        "band is the exact interval of each sensitivity (Clopper–Pearson), that of the AUROC is Newcombe's "
        "(2006)."
    )
    return " ".join(told)


def calibration_caption(said: Called, scored_on: str) -> str:
    """What so many samples can tell, in words."""
    bins = calibration_bins(*_events(said, said.mean_nc))
    most = int(bins["samples"].max())
    told = (
        f"Calibration on {len(said.y_n)} {_samples(scored_on)}, in quarters of the predicted probability; "
        f"dots on the line are right as often as they say. The fullest quarter holds {most}: were all of "
        f"them to come true, the true share could still be {100 * accuracy_interval(most, most).low:.0f} % "
        "(Clopper–Pearson)."
    )
    error = calibration_error(bins)
    if np.isnan(error):
        return f"{told} No calibration error is given: below {ENOUGH_FOR_ERROR} samples it is mostly chance."
    return f"{told} The expected calibration error is {error:.2f}."


def _samples(scored_on: str) -> str:
    return "test samples" if scored_on == "test" else f"samples {scored_on}"


def _interval(value: Estimate) -> str:
    return f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _events(said: Called, p_nc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of two classes: is it the second one, and its probability; of more: is the call right, and how sure."""
    if p_nc.shape[1] == 2:
        return said.y_n == 1, p_nc[:, 1]
    return p_nc.argmax(1) == said.y_n, p_nc.max(1)


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    columns = min(n, 3)
    rows = -(-n // columns)
    figure = Figure(figsize=(WIDTH, HEIGHT * rows + 0.4), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axis in axes:
        axis.set_aspect("equal")
    for axis in axes[n:]:
        axis.set_axis_off()
    return figure, axes


def _legend(figure: Figure, main: str, with_rival: bool) -> None:
    handles = [Line2D([], [], color=AMBER, linewidth=1.8, marker="o", markersize=4, label=one_line(main))]
    if with_rival:
        handles.append(Line2D([], [], color=GREY, linewidth=1.3, marker="o", markersize=4, label=RIVAL_NAME))
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
