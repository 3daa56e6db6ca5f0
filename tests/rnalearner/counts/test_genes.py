"""Gene sets and the table of symbols."""

import anndata
import numpy as np
import pandas as pd
import pytest

from rnalearner.counts.genes import GeneSet, GeneTable, without_version
from rnalearner.errors import GeneError

A, B, C = "ENSMUSG00000000001", "ENSMUSG00000000003", "ENSMUSG00000000028"


def samples_of(genes: list[str], counts: list[list[float]]) -> anndata.AnnData:
    return anndata.AnnData(
        obs=pd.DataFrame(index=[f"s{i}" for i in range(len(counts))]),
        var=pd.DataFrame(index=genes),
        layers={"counts": np.array(counts, dtype=np.float32)},
    )


def test_a_version_goes_and_a_symbol_stays():
    assert without_version("ENSMUSG00000000001.4") == A
    assert without_version("ENSG00000002586.20_PAR_Y") == "ENSG00000002586"
    assert without_version("Nkx2.1") == "Nkx2.1"


def test_a_gene_that_was_not_measured_is_nan_and_a_measured_zero_is_zero():
    aligned = GeneSet((C, A, B)).align(samples_of([A, "Gnai3", C], [[1, 9, 0]]))
    assert aligned.dtype == np.float32
    np.testing.assert_array_equal(aligned, [[0, 1, np.nan]])


def test_samples_that_share_no_gene_are_refused():
    with pytest.raises(GeneError, match="shares no gene"):
        GeneSet((A,)).align(samples_of(["ENSG00000000003"], [[1]]))


def test_the_hash_depends_on_the_order():
    assert GeneSet((A, B)).sha256 == GeneSet((A, B)).sha256
    assert GeneSet((A, B)).sha256 != GeneSet((B, A)).sha256


def test_a_panel_is_read_from_a_column_or_from_lines(tmp_path):
    (tmp_path / "a.csv").write_text(f"symbol,ensembl\nx,{A}.2\ny,\nz,{C}\n")
    (tmp_path / "b.txt").write_text(f"{A}\n\n{C}.7\n")
    assert GeneSet.from_file(tmp_path / "a.csv") == GeneSet.from_file(tmp_path / "b.txt") == GeneSet((A, C))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{A}\nGnai3\n", "line 2 is 'Gnai3'"),
        (f"{A}\n{B}\n{A}.3\n", f"holds {A} twice"),
        ("", "holds no gene id"),
        (f"gene,symbol\n{A},Gnai3\n", "none named `ensembl`"),
    ],
    ids=["symbol", "repeated", "empty", "unnamed_column"],
)
def test_a_panel_that_is_none_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "panel.csv").write_text(text)
    with pytest.raises(GeneError, match=message):
        GeneSet.from_file(tmp_path / "panel.csv")


def test_a_missing_panel_is_named(tmp_path):
    with pytest.raises(GeneError, match=r"panel.csv: there is no such file"):
        GeneSet.from_file(tmp_path / "panel.csv")


def test_own_symbols_win_over_synonyms_and_exact_case_over_any_case():
    table = GeneTable([(A, "Septin1|Gm4532"), (B, "Gm4532"), (C, "SEPTIN1"), ("D", "-")])
    resolved = table.resolve(["Septin1", "SEPTIN1", "Gm4532", "gm4532", "-", "none"])
    assert resolved.ids == [A, C, B, B, None, None]
    assert resolved.ambiguous == []


def test_a_symbol_of_two_genes_stays_unresolved_and_is_reported():
    resolved = GeneTable([(A, "Comt"), (B, "Comt")]).resolve(["Comt", "comt"])
    assert resolved.ids == [None, None]
    assert resolved.ambiguous == ["Comt", "comt"]
