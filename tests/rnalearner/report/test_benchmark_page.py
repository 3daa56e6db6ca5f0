import json
import re

import pandas as pd
import pytest

from rnalearner.benchmark.results import results_table
from rnalearner.layout import BenchmarkLayout
from rnalearner.report.benchmark_page import write_benchmark
from tests.rnalearner.report.toy_benchmark import KINDS, toy_results, toy_told

HOSTILE = "<script>alert(1)</script>"
NO_LABELS = pd.DataFrame()


@pytest.fixture
def layout(tmp_path) -> BenchmarkLayout:
    return BenchmarkLayout(tmp_path / "out")


def page(layout: BenchmarkLayout, results=None, permutation=NO_LABELS, **told) -> str:
    write_benchmark(layout, toy_results() if results is None else results, permutation, toy_told(**told))
    return layout.report.read_text()


def words(text: str) -> str:
    """The page's text without its tags."""
    return " ".join(re.sub("<[^>]+>", " ", text).replace("\u00a0", " ").split())


def test_it_leaves_results_summary_and_a_page_that_asks_nobody_outside(layout):
    text = page(layout)
    assert text.rstrip().endswith("</html>")
    assert not re.findall(r"""(?:src|href|action|srcset)\s*=\s*["']?\s*(?:https?:)?//""", text, re.I)
    assert not re.findall(r"""url\(\s*["']?\s*(?:https?:)?//|@import|<script|<link\b""", text, re.I)
    assert text.count("<svg") == 4  # all arms, both forests, all tasks
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert not layout.permutation.exists()
    summary = json.loads(layout.summary.read_text())
    assert summary["verdict"]
    assert summary["cost"][0]["gpu_hours"] == 0.25
    assert len(pd.read_csv(layout.results)) == len(toy_results())


def test_every_arm_stands_with_its_interval_and_what_it_took(layout):
    told = words(page(layout))
    assert "LR-L1 (C = 10) centred" in told
    assert re.search(r"guided centred 0\.71\d \[0\.7\d\d, 0\.7\d\d\]", told)
    assert "encoder H100 3 0.500 0.250" in told
    assert "Leaks were refused." in told
    assert "No task shares a study" in told


def test_an_arm_without_probabilities_has_no_brier_score(layout):
    told = words(page(layout))
    assert re.search(r"kNN-3 centred 10 10 0\.\d+ \[[^]]+\] 0\.600 \[0\.600, 0\.600\] – ", told)


def test_names_from_tables_cannot_run_as_code(layout):
    results = toy_results().replace({"task": {"task_0": HOSTILE}, "family": {"F0": HOSTILE}})
    told = toy_told()
    told["asked"][0]["name"] = HOSTILE
    text = page(layout, results, asked=told["asked"], leaks=[HOSTILE])
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_leaks_are_told_before_any_number(layout):
    settings = toy_told()["settings"] | {"allow_leak": True}
    told = words(page(layout, leaks=["task_3: study x is in the run's corpus"], settings=settings))
    assert told.index("1 leak was found, and allowed.") < told.index("Compared were")
    assert "task_3: study x is in the run&#39;s corpus" in told
    assert "Leaks were allowed." in told


def test_what_is_left_is_told(layout):
    told = words(page(layout, left={"pieces": 7, "permutations": 0, "cells": [["task_9", 6]]}))
    assert "Not complete. 7 pieces are left." in told
    assert "task_9 at k = 6" in told


def test_nothing_complete_is_a_page_too(layout):
    told = words(page(layout, results_table([]), left={"pieces": 9, "permutations": 0, "cells": [["a", 1]]}))
    assert "Nothing can be said yet" in told
    assert "No task is complete at any k." in told


def test_linear_arms_alone_have_no_ladder(layout):
    results = toy_results()
    results = results[results["arm"].isin(KINDS["linear"])]
    kinds = {"guided": [], "encoder": [], "linear": KINDS["linear"]}
    text = page(layout, results, kinds=kinds, of_a_run=False, folds=[])
    assert text.count("<svg") == 3
    assert "No arm starts from a run" in words(text)


def test_permuted_labels_stand_with_their_p(layout):
    permutation = pd.DataFrame(
        [("task_0", "F0", 6, 0, "knn_3", True, 0.75, 0.25, 924, True)],
        columns=["task", "family", "k", "draw", "arm", "centred", "auroc", "p", "relabellings", "exact"],
    )
    assert "task_0 knn 3 centred 0.750 0.250 924" in words(page(layout, permutation=permutation))
    assert len(pd.read_csv(layout.permutation)) == 1
