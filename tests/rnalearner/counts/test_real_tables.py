"""Tables exactly as found in public, against the compendium's own extracts of the same studies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnalearner.counts.compendium import CompendiumSource
from rnalearner.counts.gene_table import read_gene_table
from rnalearner.counts.genes import GeneTable
from rnalearner.counts.osdr import OsdrSource
from rnalearner.counts.read import read_counts
from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.errors import CountsError, GeneError


@pytest.fixture(scope="module")
def symbols(shared_data: Path) -> GeneTable:
    return read_gene_table(shared_data / "genes" / "mouse_ensembl_symbol.csv")


@pytest.mark.parametrize(
    ("name", "study", "id_type"),
    [
        ("P11636_raw_counts_from_DESeq2_table.csv", "P11636", "ensembl_version"),
        ("Peixoto_OLM_HC.txt.gz", "Peixoto_OLM", "ensembl"),
        ("female_counts.csv.gz", "ELS_female", "ensembl"),
        ("gene_counts_raw.csv.gz", "NBIS_DSS", "ensembl"),
        ("rnaseq_workshop_counts_raw_mm.txt.gz", "UCDavis_mm", "ensembl_version"),
    ],
)
def test_a_table_of_ensembl_ids_equals_the_compendiums(shared_data, name, study, id_type):
    samples = read_counts(shared_data / "wild" / name)
    assert samples.uns["read_report"]["id_type"] == id_type
    known = pd.read_csv(shared_data / "compendium" / f"{study}.tsv.gz", sep="\t", index_col=0)
    assert list(samples.obs_names) == list(known.columns)
    assert set(samples.var_names) == set(known.index)
    np.testing.assert_array_equal(samples.layers["counts"], known.loc[samples.var_names].to_numpy().T)
    np.testing.assert_array_equal(samples.obs["total"], known.sum())


@pytest.mark.parametrize(
    ("name", "study"),
    [
        ("GSE118918_FACS-RNAseq_counts.txt", "GSE118918"),
        ("GSE96870_counts_cerebellum.csv.gz", "GSE96870"),
        ("htseq", "xpRNApy"),
    ],
)
def test_a_table_of_symbols_agrees_with_the_compendiums_where_both_know_the_gene(
    shared_data, symbols, name, study
):
    path = shared_data / "wild" / name
    with pytest.raises(GeneError, match=r"data\.genes"):
        read_counts(path)
    samples = read_counts(path, symbols)
    report = samples.uns["read_report"]
    assert report["id_type"] == "symbol"
    assert not any(gene.startswith("__") for gene in report["unmatched"])
    known = pd.read_csv(shared_data / "compendium" / f"{study}.tsv.gz", sep="\t", index_col=0)
    shared = [gene for gene in samples.var_names if gene in known.index]
    assert len(shared) > 0.98 * samples.n_vars
    ours = samples[:, shared].layers["counts"]
    theirs = known.loc[shared, samples.obs_names].to_numpy().T
    # Not all: where a symbol and a synonym of it are both in the file, the two tables sum differently.
    assert (ours == theirs).all(axis=0).mean() > 0.995


def test_the_sheet_of_a_study_fits_its_counts(shared_data, symbols):
    samples = read_counts(shared_data / "wild" / "GSE96870_counts_cerebellum.csv.gz", symbols)
    path = shared_data / "wild" / "GSE96870_coldata_cerebellum.csv"
    attach_sheet(samples, read_sheet(path), path)
    assert samples.uns["read_report"]["not_in_sheet"] == []
    assert samples.obs["infection"].value_counts().to_dict() == {"InfluenzaA": 15, "NonInfected": 7}


@pytest.mark.parametrize("number", [105, 104, 99])
def test_osdr_sets_are_twelve_labelled_mice_each(shared_data, number):
    sheet = shared_data / "compendium" / "samples.csv"
    samples = OsdrSource((f"OSD-{number}",), shared_data / "osd", sheet).read(f"OSD-{number}")
    assert samples.shape == (12, 55536)
    assert samples.obs["label"].value_counts().to_dict() == {"FLT": 6, "GC": 6}
    assert all(subject.startswith("RR1_M") for subject in samples.obs["subject"])
    assert samples.uns["read_report"]["fractional"]


@pytest.mark.parametrize("number", [105, 104, 99])
def test_what_the_authors_normalised_is_refused_as_counts(shared_data, number):
    with pytest.raises(CountsError, match="logarithms"):
        read_counts(shared_data / "osd" / f"osd{number}_preprocessed_ensembl_15117.h5ad")


def test_every_study_of_the_compendium_is_read(shared_data):
    source = CompendiumSource([shared_data / "compendium"])
    assert len(source.studies()) == 18
    assert sum(source.read(study).n_obs for study in source.studies()) == 313
