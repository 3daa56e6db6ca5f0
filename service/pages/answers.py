"""What a finished job says of its samples, as its own answers.json tells it: see report/answers.py."""

import json
from collections.abc import Mapping
from typing import Any

from rnalearner.layout import RunLayout
from service.pages import charts
from service.schemas.jobs import JobResults

Answers = dict[str, Any]


def answers_of(run: RunLayout, made: JobResults) -> Answers | None:
    """Those of the only task that a job of the gateway has; None for a job that makes none."""
    listed = {file.path for file in made.files}
    for path in (run.report_answers, run.predict_answers):
        if path.relative_to(run.root).as_posix() in listed:
            tasks: dict[str, Answers] = json.loads(path.read_text(encoding="utf-8"))["tasks"]
            return next(iter(tasks.values()), None)
    return None


def name_genes(answers: Answers, symbols: Mapping[str, str]) -> None:
    """Symbols where the job knew none: `symbols` are those of its model's gene guide, by gene."""
    for gene in answers["genes"]:
        gene["symbol"] = gene["symbol"] or symbols.get(gene["gene"])


def score_charts(scores: list[dict[str, Any]], n_classes: int) -> dict[str, charts.Chart | None]:
    """Accuracy and AUROC of all models, each with its interval."""
    told = {"accuracy": ("Accuracy", 1 / n_classes), "auroc": ("AUROC", 0.5)}
    return {
        measure: charts.intervals(
            [{"name": score["name"], **score[measure]} for score in scores], title, chance
        )
        for measure, (title, chance) in told.items()
    }
