"""A user's table of genes, and names that it resolves."""

import pytest

from rnalearner.counts.canonical import canonical
from rnalearner.counts.gene_table import read_gene_table
from rnalearner.counts.genes import GeneTable, kind_of, plain_name
from rnalearner.errors import GeneError

A, B, C, D = (f"ENSMUSG{number:011d}" for number in (1, 3, 28, 31))


def test_synonyms_stand_after_the_symbol_or_in_a_column(tmp_path):
    (tmp_path / "one.csv").write_text(f"symbol,ensembl\nSeptin1|Sept1,{A}.4\n-,{B}\n,{C}\n")
    (tmp_path / "two.csv").write_text(f"ensembl,symbol,synonyms\n{A},Septin1,Sept1\n{B},-,\n{C},,\n\n")
    for name in ("one.csv", "two.csv"):
        table = read_gene_table(tmp_path / name)
        assert table.resolve(["Septin1", "Sept1", "SEPT1", "-", ""]).ids == [A, A, A, None, None]
        assert table.ids == {A, B, C}
        assert table.symbol_of == {A: "Septin1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"gene,symbol\n{A},x\n", r"lacks a column `ensembl` \(it has gene, symbol\)"),
        (f"ensembl,name\n{A},x\n", "lacks a column `symbol`"),
        ("", "lacks a column `ensembl`"),
        ("ensembl,symbol\nXkr4,Xkr4\n", r"holds no Ensembl gene id \(first: Xkr4\)"),
        (
            f"ensembl,symbol\n{A},x\n{B},y\n{A},z\n{B},w\n{B},v\n",
            f"has {A} on two rows, as 'x' and as 'z', and 1 others",
        ),
        (None, "there is no such file"),
    ],
    ids=["ensembl", "symbol", "empty", "no_ids", "two_symbols", "absent"],
)
def test_a_table_that_cannot_be_used_says_which_and_how_many(tmp_path, text, message):
    if text is not None:
        (tmp_path / "genes.csv").write_text(text)
    with pytest.raises(GeneError, match=rf"genes.csv: .*{message}"):
        read_gene_table(tmp_path / "genes.csv")


def test_a_row_that_comes_twice_does_no_harm_and_shared_symbols_are_told(tmp_path):
    (tmp_path / "genes.csv").write_text(f"ensembl,symbol\n{A},x\n{A},x\n{B},Comt\n{C},Comt\n")
    table = read_gene_table(tmp_path / "genes.csv")
    assert table.shared_symbols == ["Comt"]
    report = canonical(tmp_path / "t.csv", [A, B, "x|77"], table).report
    assert (report["n_shared_symbols"], report["shared_symbols"]) == (1, ["Comt"])
    assert (report["n_missing"], report["missing"]) == (1, [C])
    assert report["summed"] == [A]


def test_a_table_of_transcripts_without_its_columns_is_refused(tmp_path):
    (tmp_path / "genes.csv").write_text(f"ensembl,symbol\n{A},x\n")
    (tmp_path / "genes.transcripts.csv").write_text("tx,gene\na,b\n")
    with pytest.raises(GeneError, match=r"genes.transcripts.csv: lacks a column `transcript`"):
        read_gene_table(tmp_path / "genes.csv")


def test_names_that_repeat_are_counted(tmp_path):
    with pytest.raises(GeneError, match=f"gene {A} occurs twice, and 1 other genes do"):
        canonical(tmp_path / "t.csv", [A, B, C, B, A], None)


def test_ambiguous_names_are_counted_where_too_few_are_known(tmp_path):
    table = GeneTable([(A, "Comt"), (B, "Comt"), (C, "Pbsn"), (D, "Apoh")])
    assert canonical(tmp_path / "t.csv", ["Comt", "Pbsn", "Apoh"], table).report["ambiguous"] == ["Comt"]
    message = r"only 1 of 3 genes are known; Comt, no are not \(1 name several genes, Comt for one\)"
    with pytest.raises(GeneError, match=message):
        canonical(tmp_path / "t.csv", ["Comt", "no", "Pbsn"], table)


def test_a_table_of_another_species_is_refused_with_both_kinds_of_ids(tmp_path):
    human = GeneTable([("ENSG00000000003", "TSPAN6")])
    message = (
        rf"holds mouse Ensembl ids \({A}, ...\) where .* holds human Ensembl ids \(ENSG00000000003, ...\)"
    )
    with pytest.raises(GeneError, match=message):
        canonical(tmp_path / "t.csv", [A, B], human)
    assert canonical(tmp_path / "t.csv", [A, B], GeneTable([(C, "Cdc45")])).ids == [A, B]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("MSTRG.7|Gnai3", "Gnai3"),
        (f"{A}|Gnai3", A),
        (f"ENSMUST00000000001.4|{A}.5|OTT|-|Gnai3-201|Gnai3|3262|protein_coding|", f"{A}.5"),
        ("Gnai3|14679", "Gnai3"),
        ("Gnai3", "Gnai3"),
    ],
)
def test_names_of_several_parts_are_those_of_their_gene(name, plain):
    assert plain_name(name) == plain


def test_a_kind_of_id_is_told_by_the_commonest():
    assert kind_of(["Gnai3", A, B]).startswith("mouse Ensembl ids (Gnai3")
    assert kind_of(["ENSCAFG00000000001"]) == "ENSCAFG Ensembl ids (ENSCAFG00000000001, ...)"
    assert kind_of(["a", "b", "c", "d"]) == "names such as a, b, c"
