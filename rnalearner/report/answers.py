"""`answers.json`: every call, scores with their intervals and the genes behind them, for a page to show.

Of a report and of new samples alike, by task: classes; scored_on, the words of `called.SCORED_ON`, of new
samples "sheet" where theirs names groups, null where there is no score; no_estimate, a sentence or null;
main and rival, {arm, name} or null; samples, {sample, study, subject, label, call, probability (a list, as
classes), abstained, reason, rival_call}; scores, {name, role (main, arm or rival), n, accuracy, auroc (each
{mean, low, high}), brier}; genes, {class, gene, symbol, weight, guide, effect, share}. Unknown is null.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnalearner.config import RunConfig, TaskConfig
from rnalearner.finetune.abstain import reasons
from rnalearner.finetune.predict import RIVAL, Answers
from rnalearner.finetune.voices import LINEAR
from rnalearner.report.arm_names import rival_name
from rnalearner.report.called import RIVAL_NAME, Called, called
from rnalearner.report.curves import auroc_interval
from rnalearner.report.inputs import RunTables
from rnalearner.report.metrics import score
from rnalearner.report.summary import json_safe

MOST_GENES = 50
GENE = ["class", "gene", "symbol", "weight", "guide", "effect", "share"]
ADDED = "rnalearner_"
"""What the names of columns that `predict` adds begin with."""


def report_answers(
    config: RunConfig,
    tables: RunTables,
    summary: Mapping[str, Any],
    cohorts: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Of the scored samples of a run; JSON-safe.

    `cohorts`: how many samples each study has, labelled or not; where it is not told, the scored ones.
    """
    tasks = {}
    for name, task in summary["tasks"].items():
        said = called(tables, name)
        tasks[name] = {
            "classes": task["classes"],
            "scored_on": task["scored_on"],
            "no_estimate": task["no_estimate"],
            "main": None if said is None else {"arm": said.arm, "name": main_name(said.arm, task)},
            "rival": {"arm": RIVAL, "name": RIVAL_NAME} if said is not None and said.has_rival else None,
            "samples": [] if said is None else _samples(said, task["classes"], config, cohorts or {}),
            "scores": _scores(task, None if said is None else said.arm),
            "genes": gene_rows(tables.guided_genes, name),
        }
    safe: dict[str, Any] = json_safe({"name": summary["name"], "tasks": tasks})
    return safe


def predict_answers(
    answers: Answers, task: TaskConfig | None, genes: pd.DataFrame | None, name: str = ""
) -> dict[str, Any]:
    """Of new samples, in the same shape; JSON-safe.

    `task` is the one that was asked: where their sheet has its column, they are scored. `genes`: the run's
    linear/genes.csv.
    """
    obs, info = answers.obs, answers.info
    classes, linear = list(info["classes"]), info["method"] == "linear"
    shown = [column for column in obs if str(column).startswith(f"{ADDED}probability_")]
    p_nc, y_n = obs[shown].to_numpy(float), _truth(obs, task)
    rival = f"{ADDED}rival_centred_"
    rival_nc = obs[[c for c in obs if str(c).startswith(f"{rival}probability_")]].to_numpy(float)
    subjects = obs["subject"] if "subject" in obs else pd.Series(None, obs.index, dtype=object)
    main = "guided linear" if linear else str(info["arm"])
    rows = zip(
        obs.index.astype(str),
        subjects,
        y_n,
        obs[f"{ADDED}call"],
        p_nc,
        obs[f"{ADDED}abstained"],
        obs[f"{ADDED}reason"],
        obs[f"{rival}call"],
        strict=True,
    )
    told = [
        {
            "sample": sample,
            "study": None,
            "subject": None if pd.isna(subject) or subject == "" else str(subject),
            "label": None if y < 0 else classes[y],
            "call": call or None,
            "probability": p,
            "abstained": bool(abstained),
            "reason": reason,
            "rival_call": rival_call or None,
        }
        for sample, subject, y, call, p, abstained, reason, rival_call in rows
    ]
    known = y_n >= 0
    of_both = ((main, "main", p_nc), (RIVAL_NAME, "rival", rival_nc))
    answer = {
        "classes": classes,
        "scored_on": "sheet" if known.any() else None,
        "no_estimate": None,
        "main": {"arm": info["arm"], "name": main},
        "rival": {"arm": RIVAL, "name": RIVAL_NAME},
        "samples": told,
        "scores": [_scored(who, role, y_n[known], p[known]) for who, role, p in of_both]
        if known.any()
        else [],
        "genes": gene_rows(genes, info["task"]) if linear else [],
    }
    safe: dict[str, Any] = json_safe({"name": name, "tasks": {info["task"]: answer}})
    return safe


def main_name(arm: str, task: Mapping[str, Any]) -> str:
    """What the page calls a task's main model; `task` is the summary's."""
    if arm != LINEAR:
        return arm
    return "linear, no guide" if (task["guided_linear"] or {}).get("guided") is False else "guided linear"


def gene_rows(genes: pd.DataFrame | None, task: str) -> list[dict[Any, Any]]:
    """The genes that a task's linear model rests on, the first of each class, MOST_GENES in all."""
    if genes is None:
        return []
    own = genes[genes["task"] == task]
    a_class = MOST_GENES // max(own["class"].nunique(), 1)
    return own[own["rank"] <= a_class][GENE].to_dict("records")


def _samples(
    said: Called, classes: Sequence[str], config: RunConfig, cohorts: Mapping[str, int]
) -> list[dict[str, Any]]:
    told = _reasons(said, config, cohorts)
    samples = said.samples.to_dict("records")
    return [
        {
            "sample": row["sample"],
            "study": row["study"],
            "subject": row["subject"] or None,
            "label": classes[row["y"]],
            "call": None if np.isnan(p_c).any() else classes[int(p_c.argmax())],
            "probability": p_c,
            "abstained": bool(why),
            "reason": why,
            "rival_call": None if rival < 0 else classes[rival],
        }
        for row, p_c, why, rival in zip(samples, said.mean_nc, told, said.rival_call_n, strict=True)
    ]


def _reasons(said: Called, config: RunConfig, cohorts: Mapping[str, int]) -> list[str]:
    """As `predict` would abstain; samples with a fault never came so far."""
    linear = said.arm == LINEAR
    n_seeds, n, n_classes = said.p_snc.shape
    more = max(cohorts.get(said.samples["study"].iloc[0], n) - n, 0)
    # Unlabelled samples were beside them in the cohort, which must be large enough to centre by.
    p_snc = np.concatenate([said.p_snc, np.full((n_seeds, more, n_classes), 1 / n_classes)], axis=1)
    coverage_n, weight_n = (
        np.pad(said.samples[name].fillna(1).to_numpy(float), (0, more), constant_values=1)
        for name in ("coverage", "weight_measured")
    )
    centring = config.linear.cohort_centring if linear else config.finetune.cohort_centring
    quality = [""] * (n + more)
    return reasons(p_snc, coverage_n, quality, centring, config.predict, weight_n if linear else None)[:n]


def _scores(task: Mapping[str, Any], main: str | None) -> list[dict[str, Any]]:
    """What the summary has of each model, the main one first."""
    found = [(main_name(LINEAR, task), LINEAR, task["guided_linear"])] if task["guided_linear"] else []
    found += [(arm, arm, scores) for arm, scores in task["arms"].items()]
    found.sort(key=lambda item: item[1] != main)
    rows = [(name, "main" if arm == main else "arm", scores) for name, arm, scores in found]
    rows += [(rival_name(name), "rival", scores) for name, scores in task["linear"].items()]
    return [
        {"name": name, "role": role, "n": task["n_test"]}
        | {"accuracy": scores["test_accuracy"], "auroc": scores["auroc"], "brier": scores["test_brier"]}
        for name, role, scores in rows
        if scores["test_accuracy"]["mean"] is not None
    ]


def _scored(name: str, role: str, y_n: np.ndarray, p_nc: np.ndarray) -> dict[str, Any]:
    """Of those samples that were asked."""
    asked = ~np.isnan(p_nc).any(1)
    y_n, p_nc = y_n[asked], p_nc[asked]
    found = score(y_n, p_nc.argmax(1)[None], p_nc[None], p_nc[None])
    told = {"accuracy": found.accuracy.as_dict(), "auroc": auroc_interval(found.auroc, y_n).as_dict()}
    return {"name": name, "role": role, "n": found.n_test} | told | {"brier": found.brier}


def _truth(obs: pd.DataFrame, task: TaskConfig | None) -> np.ndarray:
    """The number of each sample's class, -1 where the samples' own columns do not tell it."""
    if task is None or task.column not in obs:
        return np.full(len(obs), -1)
    number_of = {value: number for number, group in enumerate(task.classes) for value in group}
    return np.array([number_of.get(str(value), -1) for value in obs[task.column]])
