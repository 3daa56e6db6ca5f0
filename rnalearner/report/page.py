"""A run's report: one self-contained HTML file, with its numbers, predictions and figures beside it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rnalearner.config import RunConfig
from rnalearner.guide.scaling import Guide
from rnalearner.layout import PHASES, RunLayout
from rnalearner.publish import write_json, write_text
from rnalearner.report.answers import report_answers
from rnalearner.report.called import scored
from rnalearner.report.guide_section import gene_symbols, guide_section
from rnalearner.report.html import environment
from rnalearner.report.inputs import RunTables, read_json, read_phases, read_tables
from rnalearner.report.page_figures import accuracy_picture, pretraining_picture, task_pictures
from rnalearner.report.pictures import Picture, write_pictures
from rnalearner.report.predictions import prediction_data, write_predictions
from rnalearner.report.summary import build_summary
from rnalearner.report.tables import (
    arm_table,
    fit_table,
    learner_table,
    masked_table,
    rival_table,
    scouts_table,
)
from rnalearner.report.vectors_section import vectors_section

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
    cohorts: Mapping[str, int] | None = None,
) -> Path:
    """Write index.html, its figures, summary.json, answers.json and, where samples were scored,
    predictions.h5ad; return the page's path.

    Everything is read from the run's folder; a phase that has not run is said to be missing. `leaks`
    come on top of those that the phases tell of. `pictures`, (file, caption), stand for those of
    exploration, which are found when left out. `values` is the expression of `prediction_data`,
    `cohorts` the sizes of `report_answers`.
    Raises InputError for a damaged table, CheckpointError for a damaged guide.
    """
    tables, phases = read_tables(layout), read_phases(layout)
    summary = build_summary(config, tables, phases, leaks)
    write_json(layout.report / "summary.json", summary)
    write_json(layout.report_answers, report_answers(config, tables, summary, cohorts))
    said = [table for table in (tables.predictions, tables.guided_predictions) if table is not None]
    if any(len(scored(table)) for table in said):
        info = {key: summary[key] for key in ("name", "version", "leaks", "verdict")}
        data = prediction_data(pd.concat(said, ignore_index=True), config, values, info)
        write_predictions(layout.report / "predictions.h5ad", data)
    pictures = exploration_pictures(layout) if pictures is None else pictures
    guide = Guide.load(layout.guide) if layout.guide.exists() else None
    parts = page_parts(config, summary, tables, read_json(layout.ingest_report), pictures, guide)
    write_pictures(layout.report_figures, figures_of(parts))
    target = layout.report / "index.html"
    write_text(target, environment().get_template("page.html.jinja").render(parts))
    return target


def page_parts(
    config: RunConfig,
    summary: Mapping[str, Any],
    tables: RunTables,
    ingested: Mapping[str, Any] | None,
    pictures: Sequence[tuple[Path, str]],
    guide: Guide | None,
) -> dict[str, Any]:
    """What the page's template is filled with; nothing in it points outside."""
    arms = arm_table(tables.predictions) if tables.predictions is not None else None
    rivals = tables.rival_predictions
    linear = rival_table(rivals, tables.rivals) if rivals is not None else None
    guided = tables.guided_predictions
    learner = learner_table(guided, tables.guided) if guided is not None else None
    fits = [fit_table(runs) for runs in (tables.runs, tables.guided) if runs is not None]
    fit = pd.concat(fits, ignore_index=True) if fits else None
    pretrain = tables.pretrain if summary["pretraining"] else None
    named = gene_symbols(tables, config)
    return {
        "config": config,
        "recipe": config.model_dump_json(indent=2),
        "summary": summary,
        "missing": [phase for phase in PHASES if phase not in {*summary["phases"], "report"}],
        "tasks": _tasks(config, summary, arms, learner, linear, fit, tables),
        "accuracy": accuracy_picture(arms, learner, linear),
        "masked": _records(masked_table(pretrain)) if pretrain is not None else None,
        "pretraining": None if pretrain is None else pretraining_picture(pretrain, summary),
        "pictures": [{"source": data_uri(path), "caption": caption} for path, caption in pictures],
        "scouts": _records(scouts_table(tables.scouts)) if tables.scouts is not None else None,
        "vectors": vectors_section(tables.vector_sets),
        "guide": guide_section(guide, tables, config.scouting.guide_agreement, named),
        "studies": ingested["studies"] if ingested else None,
    }


def figures_of(parts: Mapping[str, Any]) -> list[Picture]:
    """The figures drawn for a page, in its order; exploration's own lie with exploration."""
    guide = parts["guide"]
    found = [parts["accuracy"], *(one for task in parts["tasks"] for one in task["pictures"])]
    found += [parts["vectors"].get("figure"), parts["pretraining"]]
    found += [guide["versions"], guide["movement"], guide["figure"]]
    return [one for one in found if one is not None]


def exploration_pictures(layout: RunLayout) -> list[tuple[Path, str]]:
    """Figures of the exploration with their captions (the file's name where there is none)."""
    captions = USUAL_CAPTIONS | (read_json(layout.explore_figures / CAPTIONS) or {})
    found = sorted(path for path in layout.explore_figures.glob("*") if path.suffix in PICTURES)
    # Of a picture in both forms the page carries the smaller one.
    found = [path for path in found if path.suffix != ".svg" or path.with_suffix(".png") not in found]
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
    learner: pd.DataFrame | None,
    linear: pd.DataFrame | None,
    fit: pd.DataFrame | None,
    tables: RunTables,
) -> list[dict[str, Any]]:
    settings = {task.name: task for task in config.tasks}

    def of_task(table: pd.DataFrame | None, name: str) -> list[dict[Any, Any]]:
        return _records(table[table["task"] == name]) if table is not None else []

    return [
        {
            "name": name,
            "config": settings.get(name),
            "classes": [group.replace("|", " or ") for group in task["classes"]],
            "summary": task,
            "arms": of_task(arms, name),
            "learner": of_task(learner, name),
            "linear": of_task(linear, name),
            "rests_on": (task["guided_linear"] or {}).get("genes"),
            "fit": of_task(fit, name),
            "pictures": task_pictures(name, place, task, tables),
        }
        for place, (name, task) in enumerate(summary["tasks"].items())
    ]


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.to_dict("records")
