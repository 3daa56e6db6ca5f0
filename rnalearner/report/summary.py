"""`summary.json`: what a run found, for programs."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

import rnalearner
from rnalearner.config import RunConfig
from rnalearner.report.called import scored_on
from rnalearner.report.classes import class_names
from rnalearner.report.inputs import RunTables
from rnalearner.report.metrics import NOTHING
from rnalearner.report.tables import arm_table, fit_table, masked_table, rival_table
from rnalearner.report.verdict import verdict

NOT_FIGURES = ("phase", "fingerprint", "needs", "inputs", "made", "figures", "leaks")
"""Parts of a phase's marker that the summary leaves out, or has elsewhere."""

TOP_GENES = 15
_UNTOLD: dict[str, Any] = {"guided": None, "samples_a_class": None, "genes_used": None, "genes": []}
"""Of the guided linear model, beside its scores."""


def build_summary(
    config: RunConfig,
    tables: RunTables,
    phases: Mapping[str, Mapping[str, Any]],
    leaks: Iterable[str] = (),
) -> dict[str, Any]:
    """Everything a program may want to know of a run; JSON-safe (what is not known is null).

    `phases` are the phases' markers; `leaks` come on top of those among the markers' figures.
    """
    figures = {name: dict(marker) | dict(marker.get("figures") or {}) for name, marker in phases.items()}
    told = [str(leak) for marker in figures.values() for leak in marker.get("leaks") or ()]
    summary: dict[str, Any] = {
        "name": config.name,
        "version": rnalearner.__version__,
        "tasks": _tasks(config, tables),
        "phases": {
            name: {key: value for key, value in marker.items() if key not in NOT_FIGURES}
            for name, marker in figures.items()
        },
        "model": _adopted(figures.get("pretrain", {})),
        "pretraining": _pretraining(tables.pretrain),
        "leaks": list(dict.fromkeys([*told, *map(str, leaks)])),
    }
    summary = json_safe(summary)
    return summary | {"verdict": verdict(summary)}


def json_safe(value: Any) -> Any:
    """`value` with plain Python numbers; NaN and infinities become None."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_safe(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return json_safe(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def _adopted(pretrain: Mapping[str, Any]) -> dict[str, Any] | None:
    """The published model that stood in for Phases I and II, by what the phase says of itself."""
    return {"id": pretrain["model"], "name": pretrain.get("name")} if "model" in pretrain else None


def _tasks(config: RunConfig, tables: RunTables) -> dict[str, Any]:
    """A task without test samples has its arms too, with what they made of the samples they learned from.

    `n_test` counts the samples of `scored_on`; where that is null, `no_estimate` may say why.
    """
    truth = {task.name: task.truth for task in config.tasks}
    tasks: dict[str, Any] = {}

    def entry(name: str, n_classes: int, n_test: int, n_test_unseen: int) -> dict[str, Any]:
        return tasks.setdefault(
            name,
            {
                "truth": truth.get(name, "unknown"),
                "classes": class_names(config, name, n_classes),
                "chance": 1 / n_classes,
                "scored_on": scored_on(tables, name),
                "no_estimate": None,
                "n_test": n_test,
                "n_test_unseen": n_test_unseen,
                "arms": {},
                "guided_linear": None,
                "linear": {},
            },
        )

    def scored(row: pd.Series) -> dict[str, Any]:
        return entry(row["task"], row["n_classes"], row["n_test"], row["unseen_n_test"])

    if tables.predictions is not None:
        for _, row in arm_table(tables.predictions).iterrows():
            scored(row)["arms"][row["arm"]] = _arm(row)
    if tables.guided_predictions is not None:
        for _, row in arm_table(tables.guided_predictions).iterrows():
            scored(row)["guided_linear"] = _arm(row) | _UNTOLD
    if tables.rival_predictions is not None:
        for _, row in rival_table(tables.rival_predictions, tables.rivals).iterrows():
            name = row["arm"] + ("_centred" if row["centred"] else "")
            scored(row)["linear"][name] = _arm(row)
    n_classes = {task.name: len(task.classes) for task in config.tasks}
    if tables.guided is not None:
        for _, row in tables.guided.iterrows():
            task = entry(row["task"], n_classes.get(row["task"], 2), 0, 0)
            told = {name: row[name] for name in _UNTOLD if name != "genes"}
            told["genes"] = top_genes(tables.guided_genes, row["task"])
            task["guided_linear"] = (task["guided_linear"] or _unscored(1)) | told
            why = row.get("no_estimate")
            task["no_estimate"] = why if isinstance(why, str) and why else None
    if tables.runs is not None:
        for _, row in fit_table(tables.runs).iterrows():
            arms = entry(row["task"], n_classes.get(row["task"], 2), 0, 0)["arms"]
            fit = {name: row[name] for name in ("train_accuracy", "validation_accuracy")}
            arms[row["arm"]] = arms.get(row["arm"], _unscored(row["seeds"])) | fit
    return tasks


def _arm(row: pd.Series) -> dict[str, Any]:
    def interval(prefix: str) -> dict[str, float]:
        return {"mean": row[f"{prefix}accuracy"], "low": row[f"{prefix}low"], "high": row[f"{prefix}high"]}

    return {
        "test_accuracy": interval(""),
        "test_accuracy_unseen_subjects": interval("unseen_") if row["unseen_n_test"] else None,
        "auroc": {"mean": row["auroc"], "low": row["auroc_low"], "high": row["auroc_high"]},
        "test_auroc": row["auroc"],
        "test_brier": row["brier"],
        "seeds": row["seeds"],
    }


def top_genes(genes: pd.DataFrame | None, task: str) -> list[dict[Any, Any]]:
    """The genes that weigh most in a task's linear model, those of every class."""
    if genes is None:
        return []
    chosen = genes[(genes["task"] == task) & (genes["rank"] <= TOP_GENES)]
    return chosen.drop(columns="task").to_dict("records")


def _unscored(seeds: int) -> dict[str, Any]:
    return {
        "test_accuracy": NOTHING.as_dict(),
        "test_accuracy_unseen_subjects": None,
        "auroc": NOTHING.as_dict(),
        "test_auroc": None,
        "test_brier": None,
        "seeds": seeds,
    }


def _pretraining(pretrain: pd.DataFrame | None) -> dict[str, Any] | None:
    if pretrain is None or pretrain["valid_loss"].isna().all():
        return None
    encoder, commonest, gene_mode = masked_table(pretrain).to_dict("records")
    return {
        "step": int(pretrain["step"].iloc[int(np.nanargmin(pretrain["valid_loss"]))]),
        "evaluations": len(pretrain),
        "valid_accuracy": encoder["accuracy"],
        "valid_loss": encoder["loss"],
        "commonest_accuracy": commonest["accuracy"],
        "commonest_loss": commonest["loss"],
        "mode_accuracy": gene_mode["accuracy"],
        "mode_loss": gene_mode["loss"],
        "values": str(pretrain["model_values"].iloc[0]) if "model_values" in pretrain else "bins",
    }
