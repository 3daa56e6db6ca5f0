"""Every layout of a table gives the same counts."""

import gzip

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from rnalearner.counts.read import read_counts

IDS = [f"ENSMUSG{number:011d}" for number in range(1, 7)]
SYMBOLS = ["Gnai3", "Pbsn", "Cdc45", "H19", "Scml2", "Apoh"]
COUNTS_NG = np.array([[10, 0, 3, 7, 1, 40], [5, 1, 0, 70, 2, 33], [0, 0, 8, 9, 0, 21]], dtype=float)


def check(samples: anndata.AnnData) -> dict:
    """The toy table came out whole; return its report."""
    assert list(samples.obs_names) == ["S1", "S2", "S3"]
    assert list(samples.var_names) == IDS
    assert samples.X is None
    assert samples.layers["counts"].dtype == np.float32
    np.testing.assert_array_equal(samples.layers["counts"], COUNTS_NG)
    assert samples.obs["total"].tolist() == [61, 111, 38]
    assert samples.obs["n_expressed"].tolist() == [5, 5, 3]
    return samples.uns["read_report"]


@pytest.mark.parametrize("separator", [",", "\t", ";", " "], ids=["comma", "tab", "semicolon", "space"])
def test_any_delimiter_is_found(write_table, separator):
    report = check(read_counts(write_table(separator=separator)))
    assert (report["orientation"], report["id_type"]) == ("genes x samples", "ensembl")
    assert not report["fractional"]


def test_gzip_is_known_by_content_not_by_name(write_table):
    path = write_table(name="counts.txt")
    path.write_bytes(gzip.compress(path.read_bytes()))
    check(read_counts(path))


def test_a_byte_order_mark_quotes_and_windows_line_ends_do_no_harm(write_table):
    path = write_table(names=[f'"{gene}"' for gene in IDS], header='"gene_id","S1","S2","S3"')
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    check(read_counts(path))


def test_a_header_one_field_short_names_the_samples(write_table):
    check(read_counts(write_table(header="S1,S2,S3")))


def test_samples_may_be_rows(tmp_path):
    pd.DataFrame(COUNTS_NG, index=["S1", "S2", "S3"], columns=IDS).to_csv(tmp_path / "wide.tsv", sep="\t")
    assert check(read_counts(tmp_path / "wide.tsv"))["orientation"] == "samples x genes"


def test_samples_as_rows_may_carry_labels(tmp_path):
    table = pd.DataFrame(COUNTS_NG, columns=IDS)
    table.insert(0, "tissue", "liver")
    table.insert(1, "sample", ["S1", "S2", "S3"])
    table.to_csv(tmp_path / "wide.csv", index=False)
    assert check(read_counts(tmp_path / "wide.csv"))["columns_left_out"] == ["tissue"]


def test_versions_are_stripped_and_reported(write_table):
    report = check(read_counts(write_table(names=[f"{gene}.12" for gene in IDS])))
    assert report["id_type"] == "ensembl_version"


def test_symbols_are_resolved_in_either_orientation(write_table, tmp_path, gene_table):
    report = check(read_counts(write_table(names=SYMBOLS), gene_table))
    assert report["id_type"] == "symbol"
    wide = pd.DataFrame(COUNTS_NG, index=["S1", "S2", "S3"], columns=[name.lower() for name in SYMBOLS])
    wide.to_csv(tmp_path / "wide.csv")
    check(read_counts(tmp_path / "wide.csv", gene_table))


def test_numbered_samples_are_a_header(write_table):
    samples = read_counts(write_table(header="gene_id,1,2,3"))
    assert list(samples.obs_names) == ["1", "2", "3"]
    assert samples.n_vars == 6


def test_featurecounts_annotation_is_left_out_and_paths_become_sample_names(write_table):
    names = [f"{gene},1;1,10;30,20;40,+;+,22" for gene in IDS]
    columns = "Geneid,Chr,Start,End,Strand,Length,bam/S1.bam,bam/S2.bam,S3.sorted.bam"
    header = f"# Program:featureCounts v2.0.1\n{columns}"
    report = check(read_counts(write_table(names=names, header=header)))
    assert report["columns_left_out"] == ["Chr", "Start", "End", "Strand", "Length"]


def test_ids_in_a_second_column_beside_row_numbers_are_found(write_table):
    names = [f"{row},{gene},text" for row, gene in enumerate(IDS)]
    check(read_counts(write_table(names=names, header="row,gene,free_words,S1,S2,S3")))


def test_htseq_files_of_a_folder_are_samples_and_their_tails_are_no_genes(tmp_path):
    for sample, counts_g in zip(["S1", "S2", "S3"], COUNTS_NG, strict=True):
        lines = [f"{gene}\t{count:g}" for gene, count in zip(IDS, counts_g, strict=True)]
        tail = ["__no_feature\t5000", "__ambiguous\t3"]
        (tmp_path / f"{sample}_counts.txt").write_text("\n".join(lines + tail) + "\n")
    report = check(read_counts(tmp_path))
    assert report["files"] == ["S1_counts.txt", "S2_counts.txt", "S3_counts.txt"]
    assert report["rows_left_out"] == ["__no_feature", "__ambiguous"]


def test_files_of_a_folder_may_order_their_genes_differently(tmp_path):
    for sample, counts_g in zip(["S1", "S2", "S3"], COUNTS_NG, strict=True):
        lines = [f"{gene}\t{count:g}" for gene, count in zip(IDS, counts_g, strict=True)]
        if sample == "S2":
            lines = lines[::-1]
        (tmp_path / f"{sample}.tsv").write_text("\n".join(lines) + "\n")
    check(read_counts(tmp_path))


def test_rsem_genes_results_give_their_expected_counts(tmp_path):
    header = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM"
    for sample, counts_g in zip(["S1", "S2", "S3"], COUNTS_NG, strict=True):
        rows = [f"{g}\tENSMUST01,T2\t9\t7.5\t{c:g}\t1.5\t2.5" for g, c in zip(IDS, counts_g, strict=True)]
        (tmp_path / f"{sample}.genes.results").write_text("\n".join([header, *rows]) + "\n")
    check(read_counts(tmp_path))


def test_fractional_expected_counts_are_kept_and_reported(write_table):
    samples = read_counts(write_table(values=COUNTS_NG.T + 0.25))
    np.testing.assert_array_equal(samples.layers["counts"], COUNTS_NG + 0.25)
    assert samples.uns["read_report"]["fractional"]


def test_totals_count_genes_that_are_not_known_but_no_spike_in(write_table):
    names = [*IDS[:4], "LOC105243853", "ERCC-00002"]
    samples = read_counts(write_table(names=names))
    assert list(samples.var_names) == IDS[:4]
    assert samples.obs["total"].tolist() == (COUNTS_NG[:, :5].sum(axis=1)).tolist()
    assert samples.uns["read_report"]["unmatched"] == ["LOC105243853"]
    assert samples.uns["read_report"]["rows_left_out"] == ["ERCC-00002"]


def test_versions_and_symbols_of_one_gene_are_summed_and_reported(write_table, gene_table):
    names = [f"{IDS[0]}.1", f"{IDS[0]}.2", *IDS[2:5], f"{IDS[5]}.3_PAR_Y"]
    samples = read_counts(write_table(names=names))
    assert samples[:, IDS[0]].layers["counts"].ravel().tolist() == [10, 6, 0]
    assert samples.uns["read_report"]["summed"] == [IDS[0]]
    assert samples.obs["total"].tolist() == [61, 111, 38]
    by_symbol = read_counts(write_table(names=["Gnai3", "GNAI3", *SYMBOLS[2:]]), gene_table)
    np.testing.assert_array_equal(by_symbol.layers["counts"], samples.layers["counts"])


@pytest.mark.parametrize("as_matrix", [np.array, sparse.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("place", ["X", "layer", "raw"])
def test_h5ad_counts_are_found_wherever_they_are(tmp_path, place, as_matrix):
    logs = as_matrix(np.log2(COUNTS_NG + 1))
    data = anndata.AnnData(
        as_matrix(COUNTS_NG),
        obs=pd.DataFrame({"label": ["a", "b", "a"]}, index=["S1", "S2", "S3"]),
        var=pd.DataFrame({"gene_ids": IDS}, index=SYMBOLS),
    )
    if place == "layer":
        data.layers["counts"] = data.X
        data.X = logs
    elif place == "raw":
        data.raw = data.copy()
        data.X = logs
    data.write_h5ad(tmp_path / "d.h5ad")
    samples = read_counts(tmp_path / "d.h5ad")
    check(samples)
    assert samples.obs["label"].tolist() == ["a", "b", "a"]


def test_an_h5ad_may_lie_on_its_side(tmp_path):
    samples = pd.DataFrame(index=["S1", "S2", "S3"])
    data = anndata.AnnData(COUNTS_NG.T, obs=pd.DataFrame(index=IDS), var=samples)
    data.write_h5ad(tmp_path / "d.h5ad")
    assert check(read_counts(tmp_path / "d.h5ad"))["orientation"] == "genes x samples"
