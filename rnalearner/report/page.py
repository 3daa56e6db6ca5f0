"""A run's report: one self-contained HTML file, with its numbers and predictions beside it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from rnalearner.config import RunConfig
from rnalearner.guide.scaling import Guide
from rnalearner.layout import PHASES, RunLayout
from rnalearner.publish import write_json, write_text
from rnalearner.report import figures as draw
from rnalearner.report.inputs import RunTables, read_json, read_phases, read_tables
from rnalearner.report.predictions import prediction_data, write_predictions
from rnalearner.report.summary import build_summary
from rnalearner.report.svg import inline_svg
from rnalearner.report.tables import arm_table, fit_table, linear_table, masked_table, scouts_table

PICTURES = {".svg": "image/svg+xml", ".png": "image/png"}
CAPTIONS = "captions.json"
"""In the folder of the exploration's figures: file name -> caption."""
USUAL_CAPTIONS = {
    "pca_by_modality.png": "Principal components of raw (left) and preprocessed counts, by modality.",
    "pca_by_study.png": "Principal components of raw (left) and preprocessed counts, by study.",
}


def write_report(
    layout: RunLayout,
    config: RunConfig,
    *,
    leaks: Sequence[str] = (),
    pictures: Sequence[tuple[Path, str]] | None = None,
    values: pd.DataFrame | None = None,
) -> Path:
    """Write index.html, summary.json and, where there was a test, predictions.h5ad; return the page's path.

    Everything is read from the run's folder; a phase that has not run is said to be missing. `leaks`
    come on top of those that the phases tell of. `pictures`, (file, caption), stand for those of
    exploration, which are found when left out. `values` is the expression of `prediction_data`.
    Raises InputError for a damaged table, CheckpointError for a damaged guide.
    """
    tables, phases = read_tables(layout), read_phases(layout)
    summary = build_summary(config, tables, phases, leaks)
    write_json(layout.report / "summary.json", summary)
    if tables.predictions is not None and (tables.predictions["split"] == "test").any():
        info = {key: summary[key] for key in ("name", "version", "leaks", "verdict")}
        data = prediction_data(tables.predictions, config, values, info)
        write_predictions(layout.report / "predictions.h5ad", data)
    pictures = exploration_pictures(layout) if pictures is None else pictures
    guide = Guide.load(layout.guide).values if layout.guide.exists() else None
    page = render(config, summary, tables, read_json(layout.ingest_report), pictures, guide)
    target = layout.report / "index.html"
    write_text(target, page)
    return target


def render(
    config: RunConfig,
    summary: Mapping[str, Any],
    tables: RunTables,
    ingested: Mapping[str, Any] | None,
    pictures: Sequence[tuple[Path, str]],
    guide: Mapping[str, Any] | None,
) -> str:
    """The page as text; nothing in it points outside."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "number": _number, "duration": _duration}
    arms = arm_table(tables.predictions) if tables.predictions is not None else None
    rivals = tables.linear_predictions
    linear = linear_table(rivals, tables.linear) if rivals is not None else None
    fit = fit_table(tables.runs) if tables.runs is not None else None
    pretrain = tables.pretrain if summary["pretraining"] else None
    return environment.get_template("page.html.jinja").render(
        config=config,
        recipe=config.model_dump_json(indent=2),
        summary=summary,
        missing=[phase for phase in PHASES if phase not in {*summary["phases"], "report"}],
        tasks=_tasks(config, summary, arms, linear, fit, tables.curves),
        accuracy=_accuracy(arms, linear),
        masked=_records(masked_table(pretrain)) if pretrain is not None else None,
        pretraining=_svg(draw.pretraining_figure, pretrain, name="pretraining")
        if pretrain is not None
        else None,
        pictures=[{"source": data_uri(path), "caption": caption} for path, caption in pictures],
        scouts=_records(scouts_table(tables.scouts)) if tables.scouts is not None else None,
        guide=_svg(draw.guide_figure, guide, name="guide") if guide else None,
        studies=ingested["studies"] if ingested else None,
    )


def exploration_pictures(layout: RunLayout) -> list[tuple[Path, str]]:
    """Figures of the exploration with their captions (the file's name where there is none)."""
    captions = USUAL_CAPTIONS | (read_json(layout.explore_figures / CAPTIONS) or {})
    found = sorted(path for path in layout.explore_figures.glob("*") if path.suffix in PICTURES)
    # Captions give the order, where they are given.
    places = {name: place for place, name in enumerate(captions)}
    found.sort(key=lambda path: places.get(path.name, len(places)))
    return [(path, captions.get(path.name, path.stem.replace("_", " "))) for path in found]


def data_uri(path: Path) -> str:
    """A picture's bytes as an address that needs no file."""
    return f"data:{PICTURES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _tasks(
    config: RunConfig,
    summary: Mapping[str, Any],
    arms: pd.DataFrame | None,
    linear: pd.DataFrame | None,
    fit: pd.DataFrame | None,
    curves: pd.DataFrame | None,
) -> list[dict[str, Any]]:
    settings = {task.name: task for task in config.tasks}
    with_curves = set(curves["task"]) if curves is not None else set()

    def of_task(table: pd.DataFrame | None, name: str) -> list[dict[Any, Any]]:
        return _records(table[table["task"] == name]) if table is not None else []

    return [
        {
            "name": name,
            "config": settings.get(name),
            "classes": [group.replace("|", " or ") for group in task["classes"]],
            "summary": task,
            "arms": of_task(arms, name),
            "linear": of_task(linear, name),
            "fit": of_task(fit, name),
            "curves": _svg(draw.curves_figure, curves, name, task["chance"], name=f"curves-{place}")
            if name in with_curves
            else None,
        }
        for place, (name, task) in enumerate(summary["tasks"].items())
    ]


def _accuracy(arms: pd.DataFrame | None, linear: pd.DataFrame | None) -> Markup | None:
    if all(table is None or table.empty for table in (arms, linear)):
        return None
    return _svg(draw.accuracy_figure, arms, linear, name="accuracy")


def _svg(drawing: Any, *inputs: Any, name: str) -> Markup:
    figure: Figure = drawing(*inputs)
    described = " ".join((drawing.__doc__ or "").split("\n")[0].split())
    return Markup(inline_svg(figure, name, described))  # noqa: S704 - made and escaped by matplotlib


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")


def _known(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _percent(share: Any, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %" if _known(share) else "–"


def _number(value: Any, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if _known(value) else "–"


def _duration(seconds: Any) -> str:
    if not _known(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
