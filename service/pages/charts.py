"""Numbers as charts: what ECharts draws, as plain data. Pure; colours are the browser's matter.

A chart is a dict: `title`, `says` (what it shows, for those who cannot see it), `options` (view -> an
option of ECharts; the first is shown first) and `height` in pixels.
"""

from collections.abc import Mapping, Sequence
from os.path import commonprefix
from typing import Any

Chart = dict[str, Any]
_MOST_GROUPS = 12
_LEAST_CUT = 4
"""Letters that names must share before these are left out."""
_NOT_TOLD = "not told"


def _chart(title: str, says: str, options: Mapping[str, Any], height: int = 320) -> Chart:
    return {"title": title, "says": says, "options": dict(options), "height": height}


def library_sizes(samples: Sequence[str], totals: Sequence[float]) -> Chart:
    """A bar a sample: millions of reads."""
    middle = sorted(totals)[len(totals) // 2] / 1e6
    bars = {
        "type": "bar",
        "data": [round(total / 1e6, 3) for total in totals],
        "markLine": {
            "symbol": "none",
            "silent": True,
            "label": {"formatter": "median", "position": "start"},
            "data": [{"xAxis": round(middle, 3)}],
        },
    }
    option = {
        "tooltip": {"renderMode": "richText"},
        "grid": {"left": 24, "right": 24, "top": 22, "bottom": 34, "containLabel": True},
        "xAxis": _value_axis("million reads") | {"scale": False},
        "yAxis": {"type": "category", "inverse": True, "data": brief(samples)},
        "series": [bars],
    }
    low, high = min(totals) / 1e6, max(totals) / 1e6
    says = f"Library sizes of {len(samples)} samples, from {low:.3g} to {high:.3g} million reads."
    return _chart("Library sizes", says, {"all": option}, min(1200, 90 + 24 * len(samples)))


def components(
    samples: Sequence[str],
    points: Sequence[Sequence[float]],
    explained: Sequence[float],
    groupings: Mapping[str, Sequence[str]],
) -> Chart:
    """Samples along the first two principal components; a view a grouping, each with its own colours."""
    axes = [f"PC{place + 1} ({share:.0%} of the variance)" for place, share in enumerate(explained[:2])]
    y = 1 if len(axes) > 1 else None

    def dot(row: int) -> dict[str, Any]:
        second = points[row][y] if y is not None else 0
        return {"name": samples[row], "value": [round(points[row][0], 3), round(second, 3)]}

    def option(values: Sequence[str]) -> dict[str, Any]:
        groups = _groups(values)
        series = [
            {
                "type": "scatter",
                "name": group,
                "symbolSize": 11,
                "symbol": _SYMBOLS[place % len(_SYMBOLS)],
                "data": [dot(row) for row, value in enumerate(values) if _of(value, groups) == group],
            }
            for place, group in enumerate(groups)
        ]
        return {
            "tooltip": {"renderMode": "richText", "formatter": "{b}\n{a}"},
            "legend": {"show": len(groups) > 1, "type": "scroll", "bottom": 0},
            "grid": {"left": 12, "right": 16, "top": 20, "bottom": 62, "containLabel": True},
            "xAxis": _value_axis(axes[0]),
            "yAxis": _value_axis(axes[1] if y is not None else ""),
            "series": series,
        }

    views = {name: option(values) for name, values in groupings.items()} or {
        "samples": option([""] * len(samples))
    }
    says = f"{len(samples)} samples along {' and '.join(axes)}. Samples that lie together are alike."
    return _chart("Principal components", says, views, 380)


def correlation(samples: Sequence[str], values: Sequence[Sequence[float]]) -> Chart:
    """A square a pair of samples."""
    cells = [[x, y, round(value, 4)] for y, row in enumerate(values) for x, value in enumerate(row) if x != y]
    found = [cell[2] for cell in cells] or [0, 1]
    option = {
        "tooltip": {"renderMode": "richText"},
        "grid": {"left": 12, "right": 12, "top": 12, "bottom": 60, "containLabel": True},
        "xAxis": {"type": "category", "data": brief(samples), "axisLabel": {"rotate": 60}},
        "yAxis": {"type": "category", "data": brief(samples), "inverse": True},
        "visualMap": _colour_scale(found),
        "series": [{"type": "heatmap", "data": cells, "progressive": 0}],
    }
    says = f"Correlation of {len(samples)} samples, pair by pair, from {min(found):.3f} to {max(found):.3f}."
    return _chart("Sample correlation", says, {"all": option}, max(340, 160 + 18 * len(samples)))


def curves(points: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Figures of a job's progress as lines, a view a figure; None where there are none.

    `points`: `label`, `done` and `figures` (name -> value), in the order they came.
    """
    lines: dict[str, dict[str, list[list[float]]]] = {}
    for point in points:
        for name, value in point["figures"].items():
            lines.setdefault(name, {}).setdefault(point["label"], []).append([point["done"], value])
    if not lines:
        return None
    views = {
        name: {
            "tooltip": {"renderMode": "richText", "trigger": "axis"},
            "legend": {"type": "scroll", "bottom": 0, "show": len(of_label) > 1},
            "grid": {"left": 12, "right": 16, "top": 20, "bottom": 50, "containLabel": True},
            "xAxis": _value_axis("steps"),
            "yAxis": _value_axis(name.replace("_", " ")),
            "series": [
                {"type": "line", "name": label, "showSymbol": len(data) < 30, "data": data}
                for label, data in of_label.items()
            ],
        }
        for name, of_label in lines.items()
    }
    return _chart("Curves", f"How {', '.join(lines)} went while the job ran.", views)


def intervals(rows: Sequence[Mapping[str, Any]], what: str, chance: float | None = None) -> Chart | None:
    """A dot with its interval for each row: `name`, `mean`, `low`, `high`; None where no mean is known."""
    known = [row for row in rows if row["mean"] is not None]
    if not known:
        return None
    # Whiskers without a custom series, whose drawing would have to be a function: a bar on one unseen.
    lows = [round(row["low"], 4) if row["low"] is not None else row["mean"] for row in known]
    spans = [
        round((row["high"] if row["high"] is not None else row["mean"]) - low, 4)
        for row, low in zip(known, lows, strict=True)
    ]
    dots: dict[str, Any] = {
        "type": "scatter",
        "symbolSize": 12,
        "z": 3,
        "data": [[round(row["mean"], 4), place] for place, row in enumerate(known)],
    }
    if chance is not None:
        line = {"symbol": "none", "silent": True, "label": {"formatter": "chance", "position": "start"}}
        dots["markLine"] = line | {"data": [{"xAxis": round(chance, 4)}]}
    option = {
        "color": [_BLUE] * 3,
        "tooltip": {"renderMode": "richText"},
        "grid": {"left": 24, "right": 30, "top": 24, "bottom": 36, "containLabel": True},
        "xAxis": {"type": "value", "min": 0, "max": 1, "name": what, "nameLocation": "middle", "nameGap": 26},
        "yAxis": {"type": "category", "data": [row["name"] for row in known], "inverse": True},
        "series": [
            {"type": "bar", "stack": "whisker", "silent": True, "itemStyle": {"opacity": 0}, "data": lows},
            {"type": "bar", "stack": "whisker", "silent": True, "barWidth": 4, "data": spans},
            dots,
        ],
    }
    told = [f"{row['name']} {row['mean']:.2f}" for row in known[:1]]
    if others := sorted(row["mean"] for row in known[1:]):
        told.append(f"{len(others)} others from {others[0]:.2f} to {others[-1]:.2f}")
    says = f"{what} with 95 % intervals: {', '.join(told)}."
    return _chart(what, says, {"all": option}, 90 + 34 * len(known))


def bars(title: str, rows: Sequence[tuple[str, float]], what: str) -> Chart:
    """A horizontal bar a row, in the order given."""
    option = {
        "tooltip": {"renderMode": "richText"},
        "grid": {"left": 12, "right": 24, "top": 12, "bottom": 36, "containLabel": True},
        "xAxis": {"type": "value", "name": what, "nameLocation": "middle", "nameGap": 26},
        "yAxis": {"type": "category", "inverse": True, "data": [name for name, _ in rows]},
        "series": [{"type": "bar", "data": [round(value, 5) for _, value in rows]}],
    }
    told = ", ".join(f"{name} {value:.3g}" for name, value in rows[:5])
    return _chart(
        title, f"{what}: {told}{' and more' if len(rows) > 5 else ''}.", {"all": option}, 70 + 22 * len(rows)
    )


def parallel(names: Sequence[str], rows: Sequence[Sequence[Any]], good: str) -> Chart:
    """A line a row across one axis a name; words get an axis of words. The last axis says how good it was."""
    axes, columns = list[dict[str, Any]](), list[list[Any]]()
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        axis: dict[str, Any] = {"dim": place, "name": name.replace("_", " ")}
        if not all(isinstance(value, int | float) for value in values):
            values = list(map(str, values))  # a number would be the place of a word
            axis |= {"type": "category", "data": sorted(set(values))}
        axes.append(axis)
        columns.append(values)
    option = {
        "parallelAxis": axes,
        "parallel": {"left": 40, "right": 60, "top": 50, "bottom": 60},
        "visualMap": {"dimension": len(names) - 1, **_colour_scale(columns[-1])},
        "series": [
            {
                "type": "parallel",
                "lineStyle": {"width": 2, "opacity": 0.7},
                "data": [list(row) for row in zip(*columns, strict=True)],
            }
        ],
    }
    says = f"{len(rows)} trials, a line each, across {', '.join(names)}. {good}"
    return _chart("Trials", says, {"all": option}, 420)


_BLUE = "#0072b2"
_SYMBOLS = ("circle", "triangle", "rect", "diamond", "pin", "arrow")
"""Groups differ in shape, too: not everybody tells colours apart."""


def brief(samples: Sequence[str]) -> list[str]:
    """Names for an axis, without the parts at their beginning that all have in common."""
    common = commonprefix(list(samples))  # noqa: RUF071 - of letters; these are no paths
    cut = max(common.rfind(mark) for mark in "_-. ") + 1
    return list(samples) if len(samples) < 2 or cut < _LEAST_CUT else [f"…{name[cut:]}" for name in samples]


def _groups(values: Sequence[str]) -> list[str]:
    """Names of the groups, those of most samples first; what is beyond a legend's reach is one group."""
    sizes: dict[str, int] = {}
    for value in values:
        sizes[value or _NOT_TOLD] = sizes.get(value or _NOT_TOLD, 0) + 1
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    return names if len(names) <= _MOST_GROUPS else [*names[: _MOST_GROUPS - 1], "others"]


def _of(value: str, groups: Sequence[str]) -> str:
    name = value or _NOT_TOLD
    return name if name in groups else "others"


def _colour_scale(values: Sequence[float]) -> dict[str, Any]:
    """Below a chart, from its lowest value to its highest."""
    ends = {"min": min(values), "max": max(values), "precision": 3}
    return ends | {"calculable": True, "orient": "horizontal", "left": "center", "bottom": 0}


def _value_axis(name: str) -> dict[str, Any]:
    return {"type": "value", "name": name, "nameLocation": "middle", "nameGap": 28, "scale": True}
