"""Names that are perhaps the same."""

import anndata
import numpy as np
import pandas as pd
import pytest

from rnalearner.counts.near_names import near_misses
from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.errors import LabelError


@pytest.mark.parametrize(
    ("table", "sheet", "pairs"),
    [
        (["Ctrl1", "ctrl2"], ["ctrl1", "x"], {"Ctrl1": "ctrl1"}),
        (["a-1", "X2_b"], ["a.1", "2 b"], {"a-1": "a.1", "X2_b": "2 b"}),
        (["S1_quant", "S2_quant"], ["S1", "S2"], {"S1_quant": "S1", "S2_quant": "S2"}),
        (["S1"], ["GSM77_S1"], {"S1": "GSM77_S1"}),
        (["runA1", "runA2"], ["mouse1", "mouse2"], {"runA1": "mouse1", "runA2": "mouse2"}),
        (["Ab", "aB"], ["ab"], {}),  # which of the two cannot be told
        (["S1_a", "S1_b"], ["S1"], {}),
        (["liver"], ["brain"], {}),
        ([], ["a"], {}),
    ],
    ids=["case", "punctuation", "word", "prefix", "common", "two", "several", "none", "empty"],
)
def test_names_come_near_only_where_nothing_else_does(table, sheet, pairs):
    assert {miss.in_table: miss.in_sheet for miss in near_misses(table, sheet)} == pairs


def samples_called(*names: str) -> anndata.AnnData:
    return anndata.AnnData(obs=pd.DataFrame(index=list(names)), layers={"counts": np.ones((len(names), 1))})


def test_a_near_miss_is_reported_and_never_taken_for_a_match(tmp_path):
    (tmp_path / "s.csv").write_text("sample,label\na,x\nB1,y\nother,z\n")
    samples = samples_called("a", "b1", "lone")
    attach_sheet(samples, read_sheet(tmp_path / "s.csv"), "s.csv")
    assert samples.obs["label"].tolist() == ["x", "", ""]
    report = samples.uns["read_report"]
    assert report["not_in_sheet"] == ["b1", "lone"]
    assert report["sheet"] == {
        "path": "s.csv",
        "matched": "as written",
        "n_matched": 1,
        "n_only_in_table": 2,
        "n_only_in_sheet": 2,
        "only_in_sheet": ["B1", "other"],
        "n_near": 1,
        "near": ["b1 is perhaps B1 (other case)"],
    }


def test_where_no_name_matches_the_refusal_suggests_one(tmp_path):
    (tmp_path / "s.csv").write_text("sample,label\nS1,x\nS2,y\n")
    with pytest.raises(LabelError, match=r"S1_quant is perhaps S1 \(with words more\), and 1 more; name"):
        attach_sheet(samples_called("S1_quant", "S2_quant"), read_sheet(tmp_path / "s.csv"), "s.csv")
