"""Parquet tables give the counts that text gives."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnalearner.counts.layouts import detect
from rnalearner.counts.read import read_counts
from rnalearner.errors import CountsError, GeneError

IDS = [f"ENSMUSG{number:011d}" for number in range(1, 7)]
SYMBOLS = ["Gnai3", "Pbsn", "Cdc45", "H19", "Scml2", "Apoh"]
SAMPLES = ["S1", "S2", "S3"]
COUNTS_NG = np.array([[10, 0, 3, 7, 1, 40], [5, 1, 0, 70, 2, 33], [0, 0, 8, 9, 0, 21]], dtype=float)


def check(samples):
    assert (list(samples.obs_names), list(samples.var_names)) == (SAMPLES, IDS)
    np.testing.assert_array_equal(samples.layers["counts"], COUNTS_NG)
    assert samples.obs["total"].tolist() == [61, 111, 38]
    return samples.uns["read_report"]


LONG = pd.DataFrame(COUNTS_NG.T.astype(int), index=pd.Index(IDS, name="gene"), columns=SAMPLES)


@pytest.mark.parametrize("name", ["t.parquet", "t.pq", "upload.txt"])
@pytest.mark.parametrize(
    "table", [LONG, LONG.reset_index(), LONG.rename_axis(None)], ids=["index", "column", "unnamed"]
)
def test_genes_by_samples_with_ids_in_the_index_or_a_column(tmp_path, table, name):
    table.to_parquet(tmp_path / name)
    assert check(read_counts(tmp_path / name))["orientation"] == "genes x samples"


@pytest.mark.parametrize(
    "table", [LONG.T, LONG.T.rename_axis("sample").reset_index()], ids=["index", "column"]
)
def test_samples_by_genes(tmp_path, table):
    table.to_parquet(tmp_path / "t.parquet")
    assert check(read_counts(tmp_path / "t.parquet"))["orientation"] == "samples x genes"


def test_columns_that_describe_genes_or_samples_are_left_out(tmp_path):
    table = LONG.reset_index().assign(symbol=SYMBOLS, length=3, known=True)
    table.to_parquet(tmp_path / "t.parquet")
    assert check(read_counts(tmp_path / "t.parquet"))["columns_left_out"] == ["symbol", "length", "known"]
    LONG.T.assign(tissue=pd.Categorical(["a", "b", "a"])).to_parquet(tmp_path / "w.parquet")
    assert check(read_counts(tmp_path / "w.parquet"))["columns_left_out"] == ["tissue"]


def test_symbols_are_resolved(tmp_path, gene_table):
    LONG.set_axis(SYMBOLS).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(GeneError, match=r"data\.genes"):
        read_counts(tmp_path / "t.parquet")
    check(read_counts(tmp_path / "t.parquet", gene_table))


def test_faults_are_named_by_gene_and_sample(tmp_path):
    LONG.astype("Int64").mask(LONG == 70).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(CountsError, match=f"gene {IDS[3]}, sample S2 is missing"):
        read_counts(tmp_path / "t.parquet")
    LONG.astype(str).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(CountsError, match="has no column of numbers"):
        read_counts(tmp_path / "t.parquet")
    LONG.iloc[:0].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(CountsError, match="is empty"):
        read_counts(tmp_path / "t.parquet")
    twice = pa.table([IDS, [1] * 6, [2] * 6], names=["gene", "S1", "S1"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(CountsError, match="sample S1 occurs twice"):
        read_counts(tmp_path / "t.parquet")


def test_a_file_that_is_damaged_or_absent_is_refused(tmp_path):
    with pytest.raises(CountsError, match="there is no such file"):
        read_counts(tmp_path / "t.parquet")
    LONG.to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CountsError, match="cannot be read as Parquet"):
        read_counts(tmp_path / "t.parquet")
    with pytest.raises(CountsError, match="is a Parquet file, not text"):
        detect(tmp_path / "t.parquet")
