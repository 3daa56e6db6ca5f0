"""Results of a benchmark whose answer is known: `guided` gains .1 on every task, `pretrained` nothing."""

from typing import Any

import numpy as np
import pandas as pd

from rnalearner.benchmark.results import results_table
from rnalearner.benchmark.summary import summarise
from rnalearner.report.benchmark_verdict import benchmark_verdict

FAMILIES = 10
GAINS = {"none": 0.0, "pretrained": 0.0, "guided": 0.1, "lr_l1_c10": 0.15, "knn_3": 0.05}
KINDS = {"guided": [], "encoder": ["none", "pretrained", "guided"], "linear": ["lr_l1_c10", "knn_3"]}


def toy_results(families: int = FAMILIES, ks: tuple[int, ...] = (1, 3)) -> pd.DataFrame:
    """Two draws of a task a family; `pretrained` differs from `none` as often up as down."""
    rng = np.random.default_rng(0)
    rows = []
    for family in range(families):
        level, lean = 0.6 + 0.02 * rng.random(), 0.05 * (-1) ** family
        for k in ks:
            for draw in range(2):
                for arm, gain in GAINS.items():
                    auroc = level + gain + lean * (arm == "pretrained") + 0.001 * rng.random()
                    scores = {"auroc": auroc, "accuracy": 0.6, "brier": np.nan if arm == "knn_3" else 0.2}
                    named = {
                        "task": f"task_{family}",
                        "family": f"F{family}",
                        "k": k,
                        "draw": draw,
                        "seed": 0,
                    }
                    rows.append({**named, **scores, "arm": arm, "centred": True, "n_test": 8})
    return results_table(rows)


def toy_told(families: int = FAMILIES, **other: Any) -> dict[str, Any]:
    """What a benchmark tells beside its results."""
    asked = [
        {
            "name": f"task_{family}",
            "family": f"F{family}",
            "train": [f"study_{family}"],
            "test": [f"study_{family}"],
            "column": "label",
            "positive": ["ill"],
            "negative": ["well"],
            "samples": {"positive": 6, "negative": 6},
            "genes": 100,
            "draws": {"1": 2, "3": 2},
            "run": "fold-0",
            "left_out": [f"study_{family}"],
        }
        for family in range(families)
    ]
    return {
        "settings": {"k": [1, 3], "draws": 2, "seeds": 1, "min_cpm": 1.0, "allow_leak": False},
        "options": {},
        "kinds": KINDS,
        "asked": asked,
        "folds": [{"run": "fold-0", "tasks": ["task_0"], "left_out": ["study_0"]}],
        "of_a_run": True,
        "leaks": [],
        "left": {"pieces": 0, "permutations": 0, "cells": []},
        "cost": [{"arms": "encoder", "machine": "H100", "pieces": 3, "cpu_hours": 0.5, "gpu_hours": 0.25}],
        **other,
    }


def toy_summary() -> dict[str, Any]:
    """What `summary.json` holds of all this."""
    summary = toy_told() | summarise(toy_results())
    return summary | {"verdict": benchmark_verdict(summary)}
