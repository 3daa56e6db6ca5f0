"""A table in canonical form says exactly what the table said, in whatever form it came."""

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

from rnalearner.counts.gene_table import read_gene_table
from rnalearner.counts.parquet import write_canonical
from rnalearner.counts.read import read_counts, read_raw
from rnalearner.counts.sheet import attach_sheet, read_sheet, write_sheet
from rnalearner.errors import CountsError

SAMPLES = ["gene", "length", "chr", "Ätna 4", "5"]
"""Names that a text table's column could not have without being taken for something else."""
GENES = [f"ENSMUSG{number:011d}" for number in range(1, 31)]
COUNTS_NG = np.random.default_rng(4).negative_binomial(2, 0.01, (len(SAMPLES), len(GENES))).astype(float)
FORMS: dict[str, Callable[[Path], Path]] = {}


def form(write: Callable[[Path], None]) -> None:
    """A way to write the table, by the suffix that its name ends with."""

    def written(folder: Path) -> Path:
        path = folder / f"table.{write.__name__}"
        write(path)
        return path

    FORMS[write.__name__] = written


@form
def csv(path: Path) -> None:
    """Samples in rows, one row of an unknown gene, versions, fractions as RSEM has them."""
    counts = COUNTS_NG + 0.25
    frame = pd.DataFrame(counts, index=SAMPLES, columns=[f"{gene}.{len(gene)}" for gene in GENES])
    frame.assign(novel_gene=7.0).to_csv(path, index_label="sample")


@form
def h5ad(path: Path) -> None:
    """Sparse, with what is known of the samples."""
    obs = pd.DataFrame({"condition": pd.Categorical([*"abab", None]), "age": range(5)}, index=SAMPLES)
    var = pd.DataFrame(index=GENES)
    anndata.AnnData(scipy.sparse.csr_matrix(COUNTS_NG), obs=obs, var=var).write_h5ad(path)


@form
def parquet(path: Path) -> None:
    pd.DataFrame(COUNTS_NG, index=SAMPLES, columns=GENES).to_parquet(path)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_of_the_canonical_form_is_the_same(tmp_path: Path, form: str) -> None:
    came = FORMS[form](tmp_path)
    write_canonical(read_raw(came), tmp_path / "canonical")
    first, second = read_counts(came), read_counts(tmp_path / "canonical")
    assert list(second.obs_names) == list(first.obs_names) == SAMPLES
    assert list(second.var_names) == list(first.var_names) == GENES
    np.testing.assert_array_equal(second.layers["counts"], first.layers["counts"])
    for name in ("total", "n_expressed"):
        pd.testing.assert_series_equal(second.obs[name], first.obs[name])
    for name in ("id_type", "n_matched", "unmatched", "n_summed", "fractional"):
        assert second.uns["read_report"][name] == first.uns["read_report"][name]


def test_symbols_and_sums_are_found_again_by_the_same_table_of_genes(tmp_path: Path) -> None:
    (tmp_path / "genes.csv").write_text(
        "ensembl,symbol\n" + "".join(f"{gene},{gene[-2:]}name\n" for gene in GENES)
    )
    genes = read_gene_table(tmp_path / "genes.csv")
    names = [f"{gene[-2:]}name" for gene in GENES[:-1]] + [GENES[0]]
    frame = pd.DataFrame(COUNTS_NG.T, index=names, columns=["S1", "S2", "S3", "S4", "S5"])
    frame.to_csv(tmp_path / "table.csv")
    write_canonical(read_raw(tmp_path / "table.csv", genes), tmp_path / "canonical")
    first, second = (read_counts(tmp_path / name, genes) for name in ("table.csv", "canonical"))
    assert first.uns["read_report"]["n_summed"] == 1
    pd.testing.assert_frame_equal(second.to_df("counts"), first.to_df("counts"))


def test_anybodys_reader_opens_it(tmp_path: Path) -> None:
    frame = pd.DataFrame({"gene": GENES, "S1": COUNTS_NG[0]})
    frame.to_csv(tmp_path / "table.csv", index=False)
    write_canonical(read_raw(tmp_path / "table.csv"), tmp_path / "canonical.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "canonical.parquet"), frame)


def test_who_claims_to_be_canonical_is_checked_all_the_same(tmp_path: Path) -> None:
    with pq.ParquetWriter(tmp_path / "t", pa.schema([("gene", pa.string()), ("S1", pa.float64())])) as writer:
        writer.write_table(pa.table({"gene": GENES[:2], "S1": [1.0, float("nan")]}))
        writer.add_key_value_metadata({"rnalearner": "genes x samples"})
    with pytest.raises(CountsError, match="sample S1 is missing"):
        read_counts(tmp_path / "t")


def test_a_sheet_says_the_same_once_it_is_stored(tmp_path: Path) -> None:
    text = 'sample;group;note\ngene;a;"x;y\nz"\nchr;b;\n'
    (tmp_path / "sheet.csv").write_text(text)
    listed = read_sheet(tmp_path / "sheet.csv")
    write_sheet(listed, tmp_path / "labels.parquet")
    pd.testing.assert_frame_equal(read_sheet(tmp_path / "labels.parquet"), listed)
    samples = read_counts(FORMS["h5ad"](tmp_path))
    attach_sheet(samples, read_sheet(tmp_path / "labels.parquet"), "sheet")
    assert samples.obs["group"].tolist() == ["a", "", "b", "", ""]


def test_what_an_h5ad_knows_of_its_samples_becomes_a_sheet(tmp_path: Path) -> None:
    samples = read_counts(FORMS["h5ad"](tmp_path))
    write_sheet(samples.obs[["condition", "age"]], tmp_path / "labels.parquet")
    stored = read_sheet(tmp_path / "labels.parquet")
    assert stored["condition"].tolist() == ["a", "b", "a", "b", ""]
    assert stored["age"].tolist() == ["0", "1", "2", "3", "4"]


def test_a_parquet_sheet_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(CountsError, match="cannot be read as Parquet"):
        read_sheet(tmp_path / "labels.parquet")
