import pytest

from rnalearner.counts.genes import GeneTable
from rnalearner.errors import GeneError
from rnalearner.scouts.sets import read_sets

A, B, C = (f"ENSMUSG{i:011d}" for i in (1, 2, 3))
SYMBOLS = GeneTable([(A, "Aa"), (B, "Bb"), (C, "Twin"), (B, "Twin")])


@pytest.fixture
def table(tmp_path):
    def write(text: str):
        (tmp_path / "sets.csv").write_text(text)
        return tmp_path / "sets.csv"

    return write


def test_targets_of_transcription_factors_with_their_signs(table):
    path = table(
        "tf,confidence,target,mor\nTf1,A,Aa,1\nTf1,B,Bb,-1\nTf2,A,Bb,1\nTf2,C,Twin,1\nTf3,A,Unknown,1\n"
    )
    assert read_sets(path, SYMBOLS) == {"Tf1": {A: 1.0, B: -1.0}, "Tf2": {B: 1.0}}


def test_sets_of_ids_need_no_symbols_and_no_signs(table):
    path = table(f"set,gene\nheat,{A}\nheat,{B}.7\ncold,{C}\n")
    assert read_sets(path) == {"heat": {A: 1.0, B: 1.0}, "cold": {C: 1.0}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("set,name\nheat,Aa\n", "lacks a column of sets"),
        ("set,gene,sign\nheat,Aa,up\n", "line 2 has the sign 'up'"),
        ("set,gene\nheat,Zz\n", "names no gene that is known"),
        ("", "cannot be read as CSV"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(table, text, told):
    with pytest.raises(GeneError, match=told):
        read_sets(table(text), SYMBOLS)


def test_symbols_need_a_table_of_symbols(table):
    with pytest.raises(GeneError, match=r"names genes by symbol; name a table of symbols in `data.genes`"):
        read_sets(table("set,gene\nheat,Aa\n"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(GeneError, match=r"sets.csv: there is no such file"):
        read_sets(tmp_path / "sets.csv")
