"""The benchmark in one JSON: every arm's means, every task's, paired differences, permutation tests."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from rnalearner.benchmark.results import SCORES, checked_results
from rnalearner.benchmark.statistics import (
    RESAMPLES,
    Arm,
    Estimate,
    arms_of,
    difference,
    draw_scores,
    macro,
    task_means,
)

Pair = tuple[Arm, Arm]
RIVAL: Arm = ("lr_l1_c10", True)
"""The strongest unguided linear arm overall: what every other one is set against."""
LADDER = (
    ("guided_linear", "bagged_l1"),
    ("guided_linear", "guided_linear_shuffled"),
    ("pretrained", "none"),
    ("pretrained", "vectors"),
    ("guided", "none"),
    ("guided", "pretrained"),
    ("guided", "guided_shuffled"),
    ("guided", "guided_shuffled_across"),
    ("guided", "guided_constant"),
    ("guided", "guided_gradient_adam"),
    ("guided", "guided_gradient_sgd"),
    ("guided", "guided_linear"),
)
"""What is compared to show that each step helps: the gene guide's, then the encoder's."""


def summarise(
    results: pd.DataFrame,
    *,
    pairs: Sequence[Pair] | None = None,
    permutation: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """What `summary.json` holds; None where there is no number.

    `pairs`: (arm, other), each with its centring; without it `default_pairs`. `permutation`: a
    `permutation_table`, where one was asked for.
    """
    results = checked_results(results, "results")
    ks, arms = sorted(set(results["k"].tolist())), arms_of(results)
    pairs = default_pairs(results) if pairs is None else pairs
    tables: dict[str, list[dict[str, Any]]] = {"arms": [], "differences": []}
    for k in ks:
        scores = {score: draw_scores(results, k, score) for score in SCORES}
        for arm in arms:
            estimates = {score: macro(table, arm) for score, table in scores.items()}
            if estimates["auroc"].tasks:
                tables["arms"].append({"k": k, **_named(arm), **_measured(estimates)})
        for arm, other in pairs:
            estimates = {score: difference(table, arm, other) for score, table in scores.items()}
            if estimates["auroc"].tasks:
                against = {"other": other[0], "other_centred": other[1]}
                tables["differences"].append({"k": k, **_named(arm), **against, **_measured(estimates)})
    return {
        "ks": ks,
        "tasks_and_families": dict(sorted(set(zip(results["task"], results["family"], strict=True)))),
        "bootstrap": {"over": "families", "resamples": RESAMPLES, "level": 0.95},
        **tables,
        "tasks": _plain(task_means(results)),
        "permutation": [] if permutation is None else _plain(permutation),
    }


def default_pairs(results: pd.DataFrame) -> list[Pair]:
    """Every arm against RIVAL, and the encoder's arms against each other, of those that are there."""
    arms = arms_of(results)
    pairs = [(arm, RIVAL) for arm in arms if RIVAL in arms and arm != RIVAL]
    for name, other in LADDER:
        pairs += [
            ((name, centred), (other, centred))
            for centred in (False, True)
            if (name, centred) in arms and (other, centred) in arms
        ]
    return pairs


def _named(arm: Arm) -> dict[str, Any]:
    return {"arm": arm[0], "centred": arm[1]}


def _measured(estimates: dict[str, Estimate]) -> dict[str, Any]:
    bounds = ("mean", "low", "high")
    scores = {
        score: {bound: _number(getattr(estimate, bound)) for bound in bounds}
        for score, estimate in estimates.items()
    }
    return {"families": estimates["auroc"].families, "tasks": estimates["auroc"].tasks, **scores}


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.astype(object).to_numpy().tolist()]
    return [{str(name): _number(value) for name, value in row.items()} for row in rows]


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
