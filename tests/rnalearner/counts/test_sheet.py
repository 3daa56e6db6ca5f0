"""Labels meet samples by name."""

import anndata
import numpy as np
import pandas as pd
import pytest

from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.errors import InputError, LabelError


def samples_called(*names: str) -> anndata.AnnData:
    return anndata.AnnData(obs=pd.DataFrame(index=list(names)), layers={"counts": np.ones((len(names), 1))})


def test_the_column_sample_names_the_rows_wherever_it_is(tmp_path):
    (tmp_path / "s.tsv").write_text("label\tsample\tage\nFLT\ta\t\nGC\tb\t8\n")
    sheet = read_sheet(tmp_path / "s.tsv")
    samples = samples_called("b", "a")
    attach_sheet(samples, sheet, "s.tsv")
    assert samples.obs["label"].tolist() == ["GC", "FLT"]
    assert samples.obs["age"].tolist() == ["8", ""]


def test_without_it_the_first_column_does(tmp_path):
    (tmp_path / "s.csv").write_text("\ufeffrun,label\na,x\n")
    assert read_sheet(tmp_path / "s.csv").loc["a", "label"] == "x"


def test_a_sample_that_is_not_listed_has_no_label_and_is_reported(tmp_path):
    (tmp_path / "s.csv").write_text("sample,label\na,x\n")
    samples = samples_called("a", "b")
    attach_sheet(samples, read_sheet(tmp_path / "s.csv"), "s.csv")
    assert samples.obs["label"].tolist() == ["x", ""]
    assert samples.uns["read_report"]["not_in_sheet"] == ["b"]


def test_names_as_r_rewrites_them_still_match(tmp_path):
    (tmp_path / "s.csv").write_text("sample,label\nC57-6J_M1,x\n143_a,y\n")
    samples = samples_called("X143_a", "C57.6J_M1")
    attach_sheet(samples, read_sheet(tmp_path / "s.csv"), "s.csv")
    assert samples.obs["label"].tolist() == ["y", "x"]


def test_labels_that_match_no_sample_are_refused_with_both_names(tmp_path):
    (tmp_path / "s.csv").write_text("sample,label\na,x\n")
    with pytest.raises(LabelError, match=r"s.csv: lists a, and none of the samples, which are p, q"):
        attach_sheet(samples_called("p", "q"), read_sheet(tmp_path / "s.csv"), tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("sample,label\na,x\na,y\n", "lists sample a twice"),
        ("sample,study,label\na,A,x\na,A,y\n", "lists sample a of A twice"),
        ("sample,label\na,x,y,z\n", "line of sample a has 4 fields, not 2"),
        ("sample,label,label\na,x,y\n", "two columns 'label'"),
        ("sample,label\n", "is empty"),
        (None, "there is no such file"),
    ],
    ids=["empty", "twice", "twice_in_a_study", "ragged", "columns", "no_line", "absent"],
)
def test_a_bad_sheet_says_why(tmp_path, text, message):
    if text is not None:
        (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_sheet(tmp_path / "s.csv")


def test_a_sample_may_be_listed_again_for_another_study(tmp_path):
    (tmp_path / "s.csv").write_text("sample,study,label\na,A,x\na,B,y\n")
    sheet = read_sheet(tmp_path / "s.csv")
    samples = samples_called("a")
    attach_sheet(samples, sheet[sheet["study"] == "B"], "s.csv")
    assert samples.obs["label"].tolist() == ["y"]
    with pytest.raises(LabelError, match="lists sample a twice"):
        attach_sheet(samples, sheet, "s.csv")


def test_the_only_column_that_names_the_samples_names_the_rows(tmp_path):
    (tmp_path / "s.csv").write_text("label,sample,mouse\nFLT,1,a\nFLT,2,b\nGC,3,c\n")
    sheet = read_sheet(tmp_path / "s.csv", ["a", "b", "c"])
    assert sheet.index.tolist() == ["a", "b", "c"]
    assert sheet.columns.tolist() == ["label", "sheet_sample"]
    assert sheet.attrs["understood"] == ["The sheet's column 'mouse' names the samples, not 'sample'."]
    samples = samples_called("c", "a")
    attach_sheet(samples, sheet, "s.csv")
    assert samples.obs["label"].tolist() == ["GC", "FLT"]


def test_where_two_columns_name_samples_the_usual_one_is_taken(tmp_path):
    (tmp_path / "s.csv").write_text("sample,twin,label\na,b,x\nb,a,y\n")
    assert read_sheet(tmp_path / "s.csv", ["a", "b"])["label"].tolist() == ["x", "y"]
    assert read_sheet(tmp_path / "s.csv", ["p"]).index.tolist() == ["a", "b"]


def test_semicolons_and_blanks_of_a_sheet_are_understood(tmp_path):
    (tmp_path / "s.csv").write_text("sample;label\na;x \n b;x\n;\n")
    sheet = read_sheet(tmp_path / "s.csv")
    assert sheet["label"].tolist() == ["x", "x"]
    assert sheet.attrs["understood"] == [
        "The sheet's columns are separated by semicolons.",
        "Blanks around 2 cells of the sheet are left off.",
    ]
