import csv
import io

import numpy as np
import pandas as pd

from rnalearner.spreadsheet import harmless, original, read_csv, write_csv
from tests.active_cells import active_cells
from tests.hostile_names import hostile_names

NAMES = [hostile.name for hostile in hostile_names("http://127.0.0.1:9")]


def writable(name: str) -> bool:
    """Whether a CSV can hold it: no zero byte, no half of a surrogate pair."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def read_back(path):
    return read_csv(path, dtype=str, keep_default_na=False)


def test_no_name_begins_a_formula_wherever_a_spreadsheet_splits(tmp_path):
    write_csv(tmp_path / "names.csv", pd.DataFrame({"name": NAMES, "again": NAMES[::-1]}))
    assert not active_cells(tmp_path / "names.csv")


def test_what_finds_active_cells_finds_those_that_pandas_writes(tmp_path):
    for name in ("=1+1", " +1", "\t-2+3", "@SUM(A1)", "a;=1", "a\n=1", "\nname", "\uff1d1"):
        pd.DataFrame({"name": [name, "text"]}).to_csv(tmp_path / "names.csv", index=False)
        assert active_cells(tmp_path / "names.csv"), name


def test_names_come_back_as_they_were(tmp_path):
    write_csv(tmp_path / "names.csv", pd.DataFrame({"name": NAMES, "other": "x"}))
    found = read_back(tmp_path / "names.csv")["name"].tolist()
    assert len(found) == len(NAMES)
    assert [name for name in found if not name.isprintable()]
    known = {name for name in NAMES if writable(name)}
    assert len(known) > len(NAMES) - 30
    assert [name for name in NAMES if name in known] == [
        back for name, back in zip(NAMES, found, strict=True) if name in known
    ]


def test_an_apostrophe_of_its_own_stays():
    for name in NAMES:
        for own in (name, f"'{name}", f"''{name}", f"{name};'{name}"):
            assert original(harmless(own)) == own
            assert harmless(own) != harmless(f"'{own}")


def test_what_no_csv_can_hold_is_written_as_its_escape(tmp_path):
    write_csv(tmp_path / "names.csv", pd.DataFrame({"name": ["a\0b", "=\udcff"]}))
    assert read_back(tmp_path / "names.csv")["name"].tolist() == [r"a\x00b", r"=\udcff"]


def test_figures_stay_figures_and_text_that_looks_like_one_does_not(tmp_path):
    table = pd.DataFrame(
        {"gene": ["-1.5", "A"], "weight": [-1.5, np.nan], "n": [-1, 2], "seen": [True, False]}
    )
    write_csv(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text() == "gene,weight,n,seen\n'-1.5,-1.5,-1,True\nA,,2,False\n"
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), table)


def test_headings_and_an_index_are_cells_as_well(tmp_path):
    table = pd.DataFrame({"=age": ["young"]}, index=pd.Index(["@mouse"]))
    write_csv(tmp_path / "t.csv", table, index_label="sample")
    assert (tmp_path / "t.csv").read_text() == "sample,'=age\n'@mouse,young\n"
    assert read_csv(tmp_path / "t.csv").columns.tolist() == ["sample", "=age"]


def test_a_lone_carriage_return_ends_no_row(tmp_path):
    write_csv(tmp_path / "t.csv", pd.DataFrame({"name": ["a\r=b", "c"], "n": [1, 2]}))
    text = (tmp_path / "t.csv").read_bytes().decode()
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 3
    assert read_back(tmp_path / "t.csv")["name"].tolist() == ["a\r=b", "c"]


def test_categories_are_text_too(tmp_path):
    write_csv(tmp_path / "t.csv", pd.DataFrame({"name": pd.Categorical(["=1", "b", None])}))
    assert (tmp_path / "t.csv").read_text() == 'name\n\'=1\nb\n""\n'


def test_a_long_name_takes_no_long_time():
    for repeated in ("\t", " ", "'", "\t=", ";"):
        name = repeated * 100_000
        assert original(harmless(name)) == name
