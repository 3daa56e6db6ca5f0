"""Bad input: one sentence that names file, row or gene, and what to do."""

import gzip
import os
import re

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

from rnalearner.counts.read import read_counts
from rnalearner.errors import CountsError, GeneError, InputError

IDS = [f"ENSMUSG{number:011d}" for number in range(1, 7)]
SYMBOLS = ["Gnai3", "Pbsn", "Cdc45", "H19", "Scml2", "Apoh"]
COUNTS_NG = np.array([[10, 0, 3, 7, 1, 40], [5, 1, 0, 70, 2, 33], [0, 0, 8, 9, 0, 21]], dtype=float)


def refusal(path, genes=None) -> InputError:
    with pytest.raises(InputError) as caught:
        read_counts(path, genes)
    error = caught.value
    assert error.exit_code == 3
    assert path.name in str(error)
    assert "\n" not in str(error)
    assert error.remedy
    return error


def with_cell(row, column, value):
    values = COUNTS_NG.T.astype(object)
    values[row, column] = value
    return values


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("many", "column S3 is 'many', not a number"),
        ("1,5", "column S3 is '1,5', not a number"),
        ("", "column S3 is empty or missing"),
        ("NA", "column S3 is empty or missing"),
        ("nan", "column S3 is empty or missing"),
        ("1e400999999999999999999", "column S3 is '1e400"),
        ("1e60", "sample S3 is infinite, or as good as"),
        ("inf", "column S3 is 'inf'|sample S3 is infinite"),
        ("-3", r"sample S3 is negative \(-3\)"),
    ],
)
def test_a_cell_that_is_no_count_is_named_in_either_orientation(write_table, tmp_path, cell, message):
    long = refusal(write_table(values=with_cell(4, 2, cell), separator="\t"))
    assert IDS[4] in str(long)
    assert re.search(message, str(long))
    table = pd.DataFrame(with_cell(4, 2, cell), index=IDS, columns=["S1", "S2", "S3"]).T
    table.to_csv(tmp_path / "wide.tsv", sep="\t")
    wide = refusal(tmp_path / "wide.tsv")
    assert IDS[4] in str(wide)
    assert "S3" in str(wide)


def test_a_bad_cell_far_below_the_first_lines_is_found_too(tmp_path):
    rows = [f"ENSMUSG{i:011d},{i},1" for i in range(1, 2000)]
    rows[1500] = "ENSMUSG00000001501,x,1"
    (tmp_path / "t.csv").write_text("gene,S1,S2\n" + "\n".join(rows) + "\n")
    assert "row ENSMUSG00000001501, column S1 is 'x'" in str(refusal(tmp_path / "t.csv"))


def test_a_column_of_totals_is_no_sample(tmp_path):
    counts_gn = np.random.default_rng(0).gamma(0.5, 400, (60, 4)).round(2)
    totals_g = counts_gn.sum(1).round(2)
    path, genes = tmp_path / "t.csv", [f"ENSMUSG{number:011d}" for number in range(1, 61)]
    for column in (0, 4):
        names = list("ABCD")
        names.insert(column, "Total")
        pd.DataFrame(np.insert(counts_gn, column, totals_g, axis=1), genes, names).to_csv(path)
        assert "sample Total is the sum of all others in every gene" in str(refusal(path))
    totals_g[7] += 1
    pd.DataFrame(np.column_stack([counts_gn, totals_g]), genes, list("ABCDE")).to_csv(path)
    assert read_counts(path).n_obs == 5


def test_two_samples_alike_are_no_sum(tmp_path):
    genes = [f"ENSMUSG{number:011d}" for number in range(1, 61)]
    pd.DataFrame({"A": range(60), "B": range(60)}, genes).to_csv(tmp_path / "t.csv")
    assert read_counts(tmp_path / "t.csv").n_obs == 2


def test_logarithms_are_refused(write_table):
    assert "logarithms" in str(refusal(write_table(values=np.log2(COUNTS_NG.T + 1))))


def test_logarithms_of_three_digits_are_not_taken_for_thousands(write_table):
    assert "logarithms" in str(refusal(write_table(values=np.log2(COUNTS_NG.T + 2).round(3))))


@pytest.mark.parametrize("scale", [1e6, 1e4, 3.2e7], ids=["per_million", "per_10k", "median_ratio"])
def test_a_scale_with_one_total_for_all_samples_is_refused(write_table, scale):
    scaled = COUNTS_NG / COUNTS_NG.sum(axis=1, keepdims=True) * scale
    assert "TPM, CPM" in str(refusal(write_table(values=scaled.T)))


def test_whole_counts_of_one_total_are_counts(write_table):
    """Downsampled libraries have equal totals."""
    assert read_counts(write_table(values=np.full((6, 3), 4.0))).n_obs == 3


def test_the_same_gene_twice_is_named(write_table, gene_table):
    error = refusal(write_table(names=[*IDS[:5], IDS[2]]))
    assert isinstance(error, GeneError)
    assert f"{IDS[2]} occurs twice" in str(error)
    assert "H19 occurs twice" in str(refusal(write_table(names=[*SYMBOLS[:5], "H19"]), gene_table))


def test_the_same_sample_twice_is_named(write_table):
    assert "sample S1 occurs twice" in str(refusal(write_table(header="gene_id,S1,S2,S1")))


def test_symbols_without_a_table_ask_for_one(write_table):
    error = refusal(write_table(names=SYMBOLS))
    assert isinstance(error, GeneError)
    assert "data.genes" in str(error)


def test_unknown_genes_are_named(write_table, gene_table):
    mostly = [*SYMBOLS[:2], "FBgn01", "FBgn02", "FBgn03", "FBgn04"]
    assert "only 2 of 6 genes are known; FBgn01" in str(refusal(write_table(names=mostly), gene_table))
    assert "FBgn1" in str(refusal(write_table(names=[f"FBgn{i}" for i in range(6)]), gene_table))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is empty", id="nothing"),
        pytest.param("\n\n", "is empty", id="blank_lines"),
        pytest.param("gene_id,S1,S2\n", "no rows", id="header_only"),
        pytest.param("hello\nworld\n", "is not a table", id="prose"),
        pytest.param("PK\x03\x04rest", "is a workbook", id="workbook"),
        pytest.param("gene_id,S1\nENSMUSG00000000001,\xff\n", "not UTF-8", id="latin"),
        pytest.param("gene_id,S1\nENSMUSG00000000001,1\nENSMUSG00000000002,1,2\n", "line 3", id="long_row"),
        pytest.param(
            "gene_id,S1\nENSMUSG00000000001,1\nENSMUSG00000000002\n", "02, column S1 is", id="short_row"
        ),
        pytest.param("gene_id,symbol\nENSMUSG00000000001,a\n", "no column of counts", id="no_counts"),
        pytest.param("ENSMUSG00000000001,1,2\nENSMUSG00000000002,1,2\n", "no header", id="star"),
    ],
)
def test_a_file_that_is_no_table_says_why(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content.encode("latin-1"))
    error = refusal(tmp_path / "t.csv")
    assert isinstance(error, CountsError)
    assert re.search(message, str(error))


def test_a_truncated_gzip_says_so(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"ENSMUSG{i:011d},{rng.integers(1e6)},{rng.integers(1e6)}" for i in range(1, 5000)]
    packed = gzip.compress(("gene,S1,S2\n" + "\n".join(rows) + "\n").encode())
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    assert "gzip file that ends too early" in str(refusal(tmp_path / "t.csv.gz"))
    broken = bytearray(packed)
    broken[len(packed) // 2] ^= 0xFF
    (tmp_path / "t.csv.gz").write_bytes(bytes(broken))
    refusal(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.h5ad"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    assert "there is no such file" in str(refusal(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(write_table):
    path = write_table()
    path.chmod(0)
    assert "cannot be read" in str(refusal(path))


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "none").mkdir()
    assert "holds no file" in str(refusal(tmp_path / "none"))


def test_files_of_a_folder_with_different_genes_name_the_first(tmp_path):
    for sample, genes in (("S1", IDS), ("S2", [*IDS[:3], "ENSMUSG00000000999", *IDS[4:]])):
        (tmp_path / f"{sample}.txt").write_text("".join(f"{gene}\t5\n" for gene in genes))
    with pytest.raises(CountsError, match=f"S2.txt: lacks gene {IDS[3]}, which S1.txt has"):
        read_counts(tmp_path)


def test_a_damaged_h5ad_is_refused(tmp_path):
    anndata.AnnData(
        COUNTS_NG, obs=pd.DataFrame(index=["a", "b", "c"]), var=pd.DataFrame(index=IDS)
    ).write_h5ad(tmp_path / "d.h5ad")
    whole = (tmp_path / "d.h5ad").read_bytes()
    (tmp_path / "d.h5ad").write_bytes(whole[: len(whole) // 2])
    assert "h5ad" in refusal(tmp_path / "d.h5ad").what
    (tmp_path / "d.h5ad").write_bytes(b"gene,S1\n")
    refusal(tmp_path / "d.h5ad")


def test_an_h5ad_of_logarithms_is_refused(tmp_path):
    logs = anndata.AnnData(
        np.log2(COUNTS_NG + 1), obs=pd.DataFrame(index=["a", "b", "c"]), var=pd.DataFrame(index=IDS)
    )
    logs.write_h5ad(tmp_path / "d.h5ad")
    assert "logarithms" in str(refusal(tmp_path / "d.h5ad"))


def test_an_unclosed_quote_does_not_flood_the_message(write_table):
    names = [*IDS[:2], '"' + IDS[2], *IDS[3:]]
    assert len(str(refusal(write_table(names=names)))) < 400


def test_decimal_commas_are_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("gene;S1;S2\nENSMUSG00000000001;1,5;2,0\nENSMUSG00000000002;3,25;4,0\n")
    with pytest.raises(CountsError, match="decimal commas; write them with decimal points"):
        read_counts(path)


def test_a_name_that_holds_a_nul_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"S\0": [1, 2]}, index=["ENSMUSG00000000001", "ENSMUSG00000000002"]).to_parquet(path)
    with pytest.raises(CountsError, match="holds a NUL byte"):
        read_counts(path)


def test_an_endless_name_of_a_column_is_refused_at_once(tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"S" * 10**6: [1]}, index=["ENSMUSG00000000001"]).to_parquet(path)
    with pytest.raises(CountsError, match="a column whose name is 1,000,000 letters long"):
        read_counts(path)


def test_a_damaged_note_of_pandas_in_a_parquet_file_is_a_sentence(tmp_path):
    table = pa.table({"gene": ["ENSMUSG00000000001"], "S1": [1.0]}).replace_schema_metadata({"pandas": "{"})
    pq.write_table(table, tmp_path / "table.parquet")
    with pytest.raises(CountsError, match="cannot be read as Parquet"):
        read_counts(tmp_path / "table.parquet")


def test_a_matrix_that_is_not_of_real_numbers_is_refused(tmp_path):
    samples = anndata.AnnData(np.ones((2, 3), dtype=complex))
    samples.var_names = [f"ENSMUSG{number:011d}" for number in range(3)]
    samples.write_h5ad(tmp_path / "table.h5ad")
    with pytest.raises(CountsError, match="complex128 in X, and no matrix of numbers"):
        read_counts(tmp_path / "table.h5ad")


def test_names_of_a_hundred_thousand_digits_are_refused_at_once(tmp_path):
    path = tmp_path / "table.csv"
    samples = ",".join(f"{'1' * 100_000}.{number}x" for number in range(6))
    path.write_text(f"gene,{samples}\nENSMUSG00000000001,1,2,3,4,5,6\n")
    with pytest.raises(CountsError, match="name is 100,003 letters long"):
        read_counts(path)


def test_blank_lines_before_a_table_are_passed_over(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n" * 30 + "gene,S1\nENSMUSG00000000001,1\nENSMUSG00000000002,4\n")
    assert read_counts(path).layers["counts"].tolist() == [[1.0, 4.0]]


def test_sparse_indices_that_are_no_whole_numbers_are_refused(tmp_path):
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    var = pd.DataFrame(index=[f"ENSMUSG{number:011d}" for number in range(3)])
    anndata.AnnData(matrix, var=var).write_h5ad(tmp_path / "table.h5ad")
    with h5py.File(tmp_path / "table.h5ad", "a") as file:
        del file["X/indices"]
        file["X/indices"] = np.array([0.5, 1.0, 2.0])
    with pytest.raises(CountsError, match="/X/indices is not of whole numbers"):
        read_counts(tmp_path / "table.h5ad")
