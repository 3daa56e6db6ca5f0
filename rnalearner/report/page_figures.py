"""The page's figures of tasks and of pretraining, with their titles and captions."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rnalearner.report import figures as draw
from rnalearner.report.answers import main_name
from rnalearner.report.called import called
from rnalearner.report.curve_figures import (
    calibration_caption,
    calibration_figure,
    roc_caption,
    roc_figure,
)
from rnalearner.report.inputs import RunTables
from rnalearner.report.pictures import Picture, picture


def task_pictures(name: str, place: int, task: Mapping[str, Any], tables: RunTables) -> list[Picture]:
    """ROC and calibration of the main model, and the curves of fine-tuning; those that there are."""
    found, said = [], called(tables, name)
    if said is not None and not said.silent:
        classes, on = task["classes"], task["scored_on"]
        drawn_of = (said, classes, main_name(said.arm, task))
        roc = roc_caption(said, classes, on)
        found.append(
            picture(
                roc_figure, *drawn_of, name=f"roc-{place}", title=f"ROC, {name}", caption=f"{name}. {roc}"
            )
        )
        found.append(
            picture(
                calibration_figure,
                *drawn_of,
                name=f"calibration-{place}",
                title=f"Calibration, {name}",
                caption=f"{name}. {calibration_caption(said, on)}",
            )
        )
    if tables.curves is not None and name in set(tables.curves["task"]):
        chosen = " No epoch was chosen on the test samples." if task["n_test"] else ""
        found.append(
            picture(
                draw.curves_figure,
                tables.curves,
                name,
                task["chance"],
                name=f"curves-{place}",
                title=f"Fine-tuning, {name}",
                caption=f"Fine-tuning on {name}: means over seeds, bands their range.{chosen}",
            )
        )
    return found


def accuracy_picture(*tables: pd.DataFrame | None) -> Picture | None:
    """Of the tables of arms, of the learner and of the rivals; None where all are empty."""
    if all(table is None or table.empty for table in tables):
        return None
    arms, learner, linear = tables
    ours = [table for table in (arms, learner) if table is not None and not table.empty]
    return picture(
        draw.accuracy_figure,
        pd.concat(ours, ignore_index=True) if ours else None,
        linear,
        name="accuracy",
        title="Accuracy of every model",
        caption="Accuracy and its 95 % interval. The interval says where the accuracy could lie for other "
        "samples of the same kind (Clopper–Pearson). Seeds repeat the training, not the samples: they are "
        "averaged, and more of them would not narrow it.",
    )


def pretraining_picture(pretrain: pd.DataFrame, summary: Mapping[str, Any]) -> Picture:
    """Masked loss and accuracy."""
    trivial = (
        "The losses of the trivial predictors are the entropies of all bins together, and of each gene's "
    )
    trivial = "" if summary["pretraining"].get("values") == "interpolated" else f"{trivial} own bins."
    return picture(
        draw.pretraining_figure,
        pretrain,
        name="pretraining",
        title="Pretraining",
        caption=f"Masked loss and accuracy. {trivial} The encoder that goes on is the one of the lowest "
        "held-out loss, so its score above is slightly flattered.",
    )
