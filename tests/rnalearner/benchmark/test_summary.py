import json

import numpy as np
import pandas as pd

from rnalearner.benchmark.results import COLUMNS
from rnalearner.benchmark.summary import RIVAL, default_pairs, summarise


def results(arms=(RIVAL, ("guided", True), ("none", True))):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            (f"t{task}", f"F{task}", k, draw, 0, *arm, round(rng.uniform(), 3), 0.5, np.nan, 8)
            for task in range(3)
            for k in (1, 2)
            for draw in range(2)
            for arm in arms
            if not (k == 2 and arm[0] == "none")
        ],
        columns=COLUMNS,
    )


def test_the_summary_is_json_with_every_arm_and_difference_that_was_measured():
    table = results()
    permutation = pd.DataFrame([{"task": "t0", "arm": "lr_l1_c10", "p": np.float64(0.03), "exact": True}])
    summary = json.loads(json.dumps(summarise(table, permutation=permutation), allow_nan=False))
    assert summary["ks"] == [1, 2]
    assert summary["tasks_and_families"] == {"t0": "F0", "t1": "F1", "t2": "F2"}
    assert [(row["k"], row["arm"]) for row in summary["arms"]] == [
        (1, "lr_l1_c10"),
        (1, "guided"),
        (1, "none"),
        (2, "lr_l1_c10"),
        (2, "guided"),
    ]
    first = summary["arms"][0]
    of_first = table[(table["k"] == 1) & (table["arm"] == "lr_l1_c10")]
    assert first["auroc"]["mean"] == of_first["auroc"].mean()
    assert first["auroc"]["low"] < first["auroc"]["mean"] < first["auroc"]["high"]
    assert first["brier"] == {"mean": None, "low": None, "high": None}
    pairs = [(row["k"], row["arm"], row["other"]) for row in summary["differences"]]
    assert pairs == [
        (1, "guided", "lr_l1_c10"),
        (1, "none", "lr_l1_c10"),
        (1, "guided", "none"),
        (2, "guided", "lr_l1_c10"),
    ]
    assert len(summary["tasks"]) == 15
    assert summary["permutation"] == [{"task": "t0", "arm": "lr_l1_c10", "p": 0.03, "exact": True}]


def test_the_same_results_give_the_same_summary_in_any_order():
    table = results()
    assert summarise(table, pairs=[]) == summarise(table, pairs=[])
    shuffled = table.sample(frac=1, random_state=0)
    assert summarise(table)["tasks"] == summarise(shuffled)["tasks"]


def test_pairs_are_those_whose_arms_are_there():
    table = results((("guided", False), ("guided", True), ("guided_shuffled", True)))
    assert default_pairs(table) == [(("guided", True), ("guided_shuffled", True))]
    own = summarise(table, pairs=[(("guided", True), ("guided", False))])["differences"]
    assert [(row["centred"], row["other_centred"]) for row in own] == [(True, False)] * 2


def test_no_results_are_an_empty_summary():
    assert summarise(results()[:0])["arms"] == []
