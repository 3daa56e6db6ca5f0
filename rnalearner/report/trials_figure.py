"""A picture of tuning: the loss of every trial against each setting that was searched."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rnalearner.publish import publish_file
from rnalearner.report.svg import BLUE, FAINT, GREY, STYLE, VERMILION, names_as_text

SETTINGS = {
    "learning_rate": "learning rate",
    "epochs": "epochs",
    "guide_temperature": "guide temperature",
    "head": "head",
    "trained_blocks": "trained blocks",
    "guide_form": "guide form",
    "cohort_centring": "cohort centring",
}
"""Columns that may have been searched, with their names for people."""
LOGARITHMIC = ("learning_rate", "guide_temperature")
RANGES = (*LOGARITHMIC, "epochs")
"""Settings drawn from a range; the others are choices."""
COLUMNS, SPREAD = 3, 0.16
CLIPPED = 4
"""Losses further from the best than so many times the middle one's distance stand at the border."""


def draw_trials(trials: pd.DataFrame, path_svg: Path) -> None:
    """Write an SVG: small multiples of loss against each setting, best trial ringed, stopped ones faint.

    `trials` has a row a trial: trial, status (SUCCEEDED ran to its end), epochs_run, loss (NaN where it
    has none), and a column a searched setting. A setting that never varied is left out.
    """
    with names_as_text(), matplotlib.rc_context({**STYLE, "svg.fonttype": "none", "svg.hashsalt": "trials"}):
        figure = _figure(trials)
        with publish_file(path_svg) as temporary:
            no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            figure.savefig(temporary, format="svg", metadata=no_metadata, facecolor="white")


def _figure(trials: pd.DataFrame) -> Figure:
    scored = trials[trials["loss"].notna()].reset_index(drop=True)
    settings = [name for name in SETTINGS if name in scored and scored[name].nunique() > 1]
    rows = max(1, -(-len(settings) // COLUMNS))
    figure = Figure(figsize=(9, 0.9 + 2.3 * rows), layout="constrained")
    if not settings:
        figure.text(0.5, 0.5, "No two trials with a loss differ in a setting.", ha="center")
        return figure
    ended_n = (scored["status"] == "SUCCEEDED").to_numpy()
    best = _best(scored, ended_n)
    loss_n, ceiling = _clipped(scored["loss"].to_numpy(float), scored["loss"][best])
    axes = figure.subplots(rows, min(COLUMNS, len(settings)), sharey=True, squeeze=False).ravel()
    for axis, name in zip(axes, settings, strict=False):
        across_n = _places(axis, scored[name], name)
        for member_n, colour, alpha in ((~ended_n, GREY, 0.35), (ended_n, BLUE, 0.8)):
            axis.scatter(across_n[member_n], loss_n[member_n], s=22, c=colour, alpha=alpha, linewidths=0)
        axis.scatter(
            across_n[best], loss_n[best], s=90, facecolors="none", edgecolors=VERMILION, linewidths=1.6
        )
        axis.axhline(loss_n[best], color=FAINT, linestyle=(0, (4, 3)), linewidth=0.8, zorder=0)
        axis.set_xlabel(SETTINGS[name])
    for axis in axes[len(settings) :]:
        axis.set_axis_off()
    for axis in axes[::COLUMNS]:
        axis.set_ylabel("loss" if ceiling is None else f"loss (up to {ceiling:.2g})")
    figure.legend(handles=_handles(scored, ended_n, best), loc="outside upper center", ncols=3)
    return figure


def _best(scored: pd.DataFrame, ended_n: np.ndarray) -> int:
    """Row of the lowest loss among trials that ran to their end, where there is one."""
    among_n = ended_n if ended_n.any() else ~ended_n
    return int(np.where(among_n, scored["loss"], np.inf).argmin())


def _clipped(loss_n: np.ndarray, best: float) -> tuple[np.ndarray, float | None]:
    """Losses with the few wild ones put at a ceiling, so that the others can be told apart."""
    ceiling = best + CLIPPED * (float(np.median(loss_n)) - best)
    if ceiling <= best or loss_n.max() <= ceiling:
        return loss_n, None
    return np.minimum(loss_n, ceiling), ceiling


def _places(axis: Axes, values: pd.Series, name: str) -> np.ndarray:
    """Where the trials stand across; choices get a place each, spread a little so that none hides another."""
    if name in RANGES:
        if name in LOGARITHMIC:
            axis.set_xscale("log")
            # Plain numbers: the style does not parse the mathematics of powers.
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        return values.to_numpy(float)
    choices = sorted(values.dropna().unique(), key=str)
    axis.set_xticks(range(len(choices)), [str(choice).replace("_", " ") for choice in choices])
    axis.set_xlim(-0.5, len(choices) - 0.5)
    place_n = values.map({choice: place for place, choice in enumerate(choices)}).to_numpy(float)
    # By the trial's row, not at random: the same table gives the same picture.
    return place_n + SPREAD * np.cos(2.4 * np.arange(len(values)))


def _handles(scored: pd.DataFrame, ended_n: np.ndarray, best: int) -> list[Line2D]:
    def dot(colour: str, label: str, **more: object) -> Line2D:
        settings = {"marker": "o", "linestyle": "", "color": colour, "label": label}
        return Line2D([], [], **{**settings, **more})  # type: ignore[arg-type]

    row = scored.loc[best]
    ring = {"markerfacecolor": "none", "markersize": 9, "markeredgewidth": 1.6}
    return [
        dot(BLUE, f"ran to its end ({int(ended_n.sum())})", markersize=5),
        dot(GREY, f"stopped early ({int((~ended_n).sum())})", markersize=5, alpha=0.35),
        dot(VERMILION, f"best: trial {row['trial']}, loss {row['loss']:.3f}", **ring),
    ]
