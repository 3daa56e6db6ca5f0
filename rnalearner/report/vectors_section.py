"""What the page says of gene vectors: whether members of a gene set lie closer than random genes."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnalearner.model.vector_sets import mean_interval
from rnalearner.report.pictures import picture
from rnalearner.report.svg import BLUE, FAINT, GREY, INK, VERMILION, styled

KINDS = {"vectors": "gene vectors", "axes": "principal axes", "random": "random vectors"}
COLOURS = {"vectors": BLUE, "axes": VERMILION, "random": GREY}
TOP_SETS = 8


def vectors_section(sets: pd.DataFrame | None) -> dict[str, Any]:
    """The section's parts; `sets` is the table of a run whose recipe names gene sets, None of others."""
    if sets is None or sets.empty:
        return {"sets": 0 if sets is not None else None}
    kinds = [kind for kind in KINDS if kind in sets]
    over_axes = None
    if "axes" in kinds:
        over_axes = _interval((sets["vectors"] - sets["axes"]).to_numpy(float))
    return {
        "sets": len(sets),
        "kinds": [{"name": KINDS[kind], **_interval(sets[kind].to_numpy(float))} for kind in kinds],
        "over_axes": over_axes,
        "above_chance": float((sets["vectors"] > 0.5).mean()),
        "top": sets.sort_values("vectors", ascending=False, kind="stable").head(TOP_SETS).to_dict("records"),
        "figure": picture(
            sets_figure,
            sets,
            name="vector-sets",
            title="Gene sets among the gene vectors",
            caption="A dot a set; diamonds are means and bars their 95 % bootstrap intervals over sets. Sets "
            "share genes, so the intervals are somewhat too narrow.",
        ),
    }


def _interval(values_s: np.ndarray) -> dict[str, float]:
    return dict(zip(("mean", "low", "high"), mean_interval(values_s, np.random.default_rng(0)), strict=True))


@styled
def sets_figure(sets: pd.DataFrame) -> Figure:
    """How often two members of a gene set lie closer than a member and a random gene, a dot a set."""
    kinds = [kind for kind in KINDS if kind in sets]
    figure = Figure(figsize=(9.0, 0.75 + 0.7 * len(kinds)), layout="constrained")
    axis = figure.subplots()
    # Golden steps: dots that stand apart, the same on every drawing.
    spread_s = (np.arange(len(sets)) * 0.618034) % 1 - 0.5
    for place, kind in enumerate(kinds):
        values_s = sets[kind].to_numpy(float)
        place_s = place + 0.5 * spread_s
        axis.scatter(values_s, place_s, s=12, color=COLOURS[kind], alpha=0.45, linewidths=0)
        mean, low, high = _interval(values_s).values()
        axis.plot([low, high], [place, place], color=INK, linewidth=2)
        axis.plot(mean, place, "D", color=INK, markersize=4.5)
    axis.axvline(0.5, color=FAINT, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
    axis.set_yticks(range(len(kinds)), [KINDS[kind] for kind in kinds])
    axis.set_ylim(len(kinds) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("AUROC of pairs of members against pairs with a random gene of the same expression")
    return figure
