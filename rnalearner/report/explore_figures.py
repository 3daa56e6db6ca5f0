"""Pictures of a corpus: components before and after preprocessing, and sample clusters.

Drawn with matplotlib's objects, not pyplot, so that nothing global is touched and no display is needed.
Shapes: n samples, k components.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from PIL import Image

from rnalearner.clustering.strata import stratified_rows
from rnalearner.publish import publish_file
from rnalearner.report.names import one_line
from rnalearner.report.svg import names_as_text

MIN_DRAWN, MAX_DRAWN = 200, 2500
"""Samples in a pair plot: fewer show no shape, more hide each other."""
DRAWN_BYTES = 48 * 2**20
"""Memory that their counts may take: 838 samples of 15,000 genes."""
NAMED_GROUPS = 9
"""Groups with a colour of their own; the rest share grey."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7b5ea7", "#8c6d31", "#222222")
"""Told apart by the colour-blind: Okabe and Ito's, without their yellow, and three more."""
FEW_GROUPS = 3
GREY, FRAME = "#b8b8b8", "#c9ccd1"
DPI = 100


def drawn_rows(groups_n: np.ndarray, n_genes: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Ascending places of a random `share` of the samples, as many of each of `groups_n` as there are.

    At least 200 where there are as many, at most 2,500, and no more than DRAWN_BYTES of their counts.
    """
    n_drawn = min(
        MAX_DRAWN, max(MIN_DRAWN, round(share * len(groups_n))), max(3, DRAWN_BYTES // (4 * n_genes))
    )
    return stratified_rows(groups_n, n_drawn, rng)


def draw_pair_plot(
    raw_nk: np.ndarray, preprocessed_nk: np.ndarray, obs: pd.DataFrame, column: str, folder: Path
) -> Path:
    """`pca_by_<column>.png`: every pair of components, raw beside preprocessed, coloured by `column`.

    `raw_nk`, `preprocessed_nk`: scores of the same samples as the rows of `obs`.
    """
    path = folder / f"pca_by_{column}.png"
    _save(_pair_figure(raw_nk, preprocessed_nk, obs[column].astype(str).to_numpy(), column), path)
    return path


def draw_sample_clusters(
    positions_n2: np.ndarray, clusters: Mapping[int, np.ndarray], path: Path, chosen: int | None = None
) -> list[Path]:
    """The same map once for each K, coloured by sample cluster; `chosen` is the K that goes on."""
    columns = min(3, len(clusters))
    rows = -(-len(clusters) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.5 * rows + 0.3), layout="constrained")
    figure.suptitle("Sample clusters on a UMAP of the principal components", fontsize=11)
    size = _point_size(len(positions_n2), 30.0)
    for place, (k, labels_n) in enumerate(clusters.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        colours = _many_colours(k)[labels_n]
        axes.scatter(positions_n2[:, 0], positions_n2[:, 1], c=colours, s=size, linewidths=0, rasterized=True)
        for label in np.unique(labels_n):
            at = _middle_sample(positions_n2[labels_n == label])
            axes.annotate(str(label), at, (0, 4), textcoords="offset points", **_LABEL)
        axes.set_title(f"K = {k}" + (" (used)" if k == chosen else ""), fontsize=9)
        axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
        axes.xaxis.label.set_fontsize(7)
        axes.yaxis.label.set_fontsize(7)
        axes.spines[:].set_color(FRAME)
    _save(figure, path)
    return [path]


def draw_choice_of_k(choice: pd.DataFrame, path: Path, chosen: int | None = None) -> Path:
    """Silhouette and stability against K, of `choice_of_k`'s table; `chosen` is the K that goes on."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    halves = (("silhouette", "apart from the next: silhouette"), ("stability", "found again: adjusted Rand"))
    for place, (column, title) in enumerate(halves, start=1):
        axes = figure.add_subplot(1, 2, place)
        k, value = choice["k"].to_numpy(), choice[column].to_numpy(dtype=float)
        if f"{column}_low" in choice:
            low, high = (choice[f"{column}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
            axes.fill_between(k, low, high, color=COLOURS[0], alpha=0.15, linewidth=0)
        axes.plot(k, value, marker="o", markersize=4, color=COLOURS[0])
        if chosen is not None:
            axes.axvline(chosen, color=COLOURS[1], linestyle=":", label=f"K = {chosen} (used)")
            axes.legend(frameon=False, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="K", xticks=k)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)
    return path


_LABEL: Any = {
    "fontsize": 7,
    "ha": "center",
    "va": "bottom",
    "path_effects": [withStroke(linewidth=1.8, foreground="white")],
}


def _middle_sample(positions_n2: np.ndarray) -> tuple[float, float]:
    """The sample nearest to the median: a group in two islands is named on one, not in the sea."""
    distance_n = ((positions_n2 - np.median(positions_n2, axis=0)) ** 2).sum(axis=1)
    across, up = positions_n2[distance_n.argmin()].tolist()
    return across, up


def _pair_figure(
    raw_nk: np.ndarray, preprocessed_nk: np.ndarray, groups_n: np.ndarray, column: str
) -> Figure:
    figure = Figure(figsize=(13, 6.9), layout="constrained")
    names = group_colours(groups_n)
    halves = (("raw counts", raw_nk), ("preprocessed", preprocessed_nk))
    for place, (title, scores_nk) in enumerate(halves, start=1):
        axes = figure.add_subplot(1, 2, place)
        _pair_matrix(axes, scores_nk, groups_n, names)
        axes.set_title(f"{title}: {scores_nk.shape[1]} principal components", fontsize=11)
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=6, color=colour, label=one_line(name))
        for name, colour in names.items()
    ]
    figure.supxlabel(
        "Panels span the central 98 % of the samples; the others stand at the border.", fontsize=8
    )
    # The matrix fills the lower triangle; the legend goes into the empty upper one.
    with names_as_text():
        figure.axes[0].legend(handles=handles, title=column, loc="upper right", fontsize=9, frameon=False)
    return figure


def group_colours(groups_n: Sequence[str] | np.ndarray) -> dict[str, str]:
    """A colour for each of the largest groups, largest first; the others together are "N others", grey."""
    counted = pd.Series(groups_n).value_counts()
    ordered = sorted(counted.index, key=lambda name: (-counted[name], name))
    named = dict(zip(ordered[:NAMED_GROUPS], COLOURS, strict=False))
    if others := len(ordered) - len(named):
        named[f"{others} others"] = GREY
    return named


def _pair_matrix(axes: Axes, scores_nk: np.ndarray, groups_n: np.ndarray, names: Mapping[str, str]) -> None:
    """All pairs as panels of one pair of axes: ten times faster than a hundred small axes.

    Panel (row i, column j < i) shows component j across and i up; the diagonal holds densities.
    """
    n, k = scores_nk.shape
    # Small groups are drawn last, where they are seen; grey lies below all.
    depth = {name: place for place, name in enumerate(names)}
    depth_n = np.array([depth.get(group, -1) for group in groups_n])
    order = np.argsort(depth_n, kind="stable")
    unit_nk, depth_n = _unit_range(scores_nk)[order], depth_n[order]
    palette = list(names.values())

    row_p, column_p = np.tril_indices(k, -1)
    across = (unit_nk[:, column_p] + column_p).ravel()
    up = (unit_nk[:, row_p] + (k - 1 - row_p)).ravel()
    colours = np.repeat([to_rgba(palette[place], 0.7) for place in depth_n], len(row_p), axis=0)
    axes.scatter(across, up, c=colours, s=_point_size(n, 3.0), linewidths=0, rasterized=True)

    # Densities of each group where they can be told apart, else one of all samples.
    few = len(palette) <= FEW_GROUPS
    members = [(depth_n == place, colour) for place, colour in enumerate(palette)] if few else []
    for member_n, colour in members or [(np.full(n, True), GREY)]:
        for component in range(k):
            count, edges = np.histogram(unit_nk[member_n, component], bins=20, range=(0, 1))
            height = 0.9 * count / max(count.max(), 1)
            axes.stairs(
                height + (k - 1 - component),
                edges + component,
                baseline=k - 1 - component,
                color=colour,
                fill=True,
                alpha=0.55,
            )
    corners = [(j, k - 1 - i) for i in range(k) for j in range(i + 1)]
    frames = [[(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)] for x, y in corners]
    axes.add_collection(LineCollection(frames, colors=FRAME, linewidths=0.6))
    labels = [f"PC{component}" for component in range(1, k + 1)]
    axes.set_xticks(np.arange(k) + 0.5, labels, fontsize=8)
    axes.set_yticks(np.arange(k) + 0.5, labels[::-1], fontsize=8)
    axes.set(xlim=(-0.02, k + 0.02), ylim=(-0.02, k + 0.02), aspect="equal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _unit_range(scores_nk: np.ndarray) -> np.ndarray:
    """Each component's central 98 % spread over a panel; the few beyond it stand at the border."""
    low_k, high_k = np.percentile(scores_nk, [1, 99], axis=0)
    unit_nk = (scores_nk - low_k) / np.where(high_k > low_k, high_k - low_k, 1)
    return 0.06 + 0.88 * np.clip(unit_nk, 0, 1)


def _point_size(n: int, most: float) -> float:
    """Area of a point in square points: smaller where there are many."""
    return float(np.clip(most * (200 / max(n, 1)) ** 0.5, 0.4, most))


def _many_colours(k: int) -> np.ndarray:
    """`k` colours, RGBA: hues by the golden angle, so that neighbours in number differ most."""
    index = np.arange(k)
    hsv = np.column_stack([index * 0.618034 % 1, 0.8 - 0.3 * (index % 2), 0.85 - 0.22 * (index // 2 % 2)])
    return np.column_stack([hsv_to_rgb(hsv), np.full(k, 0.9)])


def _save(figure: Figure, path: Path) -> None:
    """PNG whose channels have 16 levels: under half the bytes, and the report carries them in its page.

    A palette of 256 colours would be smaller still, but gave two studies one colour. Beside it the same as
    SVG, with its points as one picture, however many they are.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.figure.set_dpi(DPI)
    with names_as_text():
        canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    rounded = (np.rint(pixels / 17) * 17).astype(np.uint8)
    with publish_file(path) as temporary:
        Image.fromarray(rounded).save(temporary, format="PNG", optimize=True)
    vector = path.with_suffix(".svg")
    always = matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem})
    with publish_file(vector) as temporary, names_as_text(), always:
        figure.savefig(temporary, format="svg", dpi=DPI, metadata=dict.fromkeys(("Date", "Creator")))
