"""A project written by hand: three genes, two runs, every number known."""

import gzip

import numpy as np
import pytest

from rnalearner.config import RunConfig, SimulationConfig
from rnalearner.counts.recount3 import Recount3Source, gene_file, metadata_file, sample_list_file
from rnalearner.counts.simulate import simulate
from rnalearner.errors import CountsError
from rnalearner.shards.build import build_shards
from rnalearner.shards.read import ShardStore

PROJECT = "SRP123456"
GENES = [
    "##annotation=M023",
    "##date.generated=today",
    "gene_id\tSRR1\tSRR2",
    "ENSMUSG00000000001.4\t1000\t50",
    "ENSMUSG00000000003.15\t0\t25",
    "ENSMUSG00000000003.15_PAR_Y\t200\t0",
]
TABLES = {
    "recount_project": ["rail_id\texternal_id\tstudy", "2\tSRR2\tSRP123456", "1\tSRR1\tSRP123456"],
    "recount_qc": ["external_id\tstar.average_mapped_length", "SRR2\t50", "SRR1\t100"],
    "recount_pred": ["external_id\tpattern.predict.type", "SRR2\tscrna-seq", "SRR1\trna-seq"],
    "sra": [
        "external_id\tsample_attributes",
        "SRR2\tTissue;;Retina|total;;much",
        'SRR1\tage;;8 "weeks|tissue;;liver|subject;;M7|label;;FLT',
    ],
}


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode()))


@pytest.fixture
def mirror(tmp_path):
    write(gene_file(tmp_path, PROJECT), GENES)
    for table, lines in TABLES.items():
        write(metadata_file(tmp_path, PROJECT, table), lines)
    return tmp_path


def test_coverage_becomes_reads_and_copies_of_a_gene_are_summed(mirror):
    samples = Recount3Source(mirror).read(PROJECT)
    assert list(samples.var_names) == ["ENSMUSG00000000001", "ENSMUSG00000000003"]
    assert list(samples.obs_names) == ["SRR1", "SRR2"]
    np.testing.assert_array_equal(samples.layers["counts"], np.array([[10, 2], [1, 0.5]], dtype=np.float32))
    assert samples.layers["counts"].dtype == np.float32
    assert samples.obs["total"].tolist() == [12, 1.5]
    assert samples.obs["n_expressed"].tolist() == [2, 2]
    report = samples.uns["read_report"]
    assert (report["n_genes"], report["duplicates"], report["fractional"]) == (3, 1, True)


def test_samples_are_matched_by_run_and_attributes_become_columns(mirror):
    obs = Recount3Source(mirror).read(PROJECT).obs
    assert obs["modality"].tolist() == ["bulk", "single-cell"]
    assert obs["study"].tolist() == [PROJECT, PROJECT]
    assert obs["tissue"].tolist() == ["liver", "Retina"]
    assert obs["subject"].tolist() == ["M7", "SRR2"]
    assert obs["label"].tolist() == ["FLT", ""]
    assert obs["age"].tolist() == ['8 "weeks', ""]
    assert obs["sra_total"].tolist() == ["", "much"]


def test_a_run_without_mapped_length_is_dropped_with_its_reason(mirror):
    write(
        metadata_file(mirror, PROJECT, "recount_qc"),
        ["external_id\tstar.average_mapped_length", "SRR1\t100", "SRR2\t0"],
    )
    samples = Recount3Source(mirror).read(PROJECT)
    assert list(samples.obs_names) == ["SRR1"]
    assert samples.uns["read_report"]["dropped"] == {"SRR2": "no star.average_mapped_length"}


def test_named_and_excluded_projects(mirror):
    write(gene_file(mirror, "SRP000007"), GENES)
    assert Recount3Source(mirror).studies() == ["SRP000007", PROJECT]
    assert Recount3Source(mirror, projects=(PROJECT,)).studies() == [PROJECT]
    assert Recount3Source(mirror, exclude=(PROJECT,)).studies() == ["SRP000007"]
    with pytest.raises(CountsError, match="SRP9 is not in this mirror"):
        Recount3Source(mirror, projects=("SRP9",)).studies()


def test_an_empty_mirror_says_where_files_belong(tmp_path):
    with pytest.raises(CountsError, match="no recount3 gene file"):
        Recount3Source(tmp_path).studies()


def test_a_missing_table_is_named(mirror):
    metadata_file(mirror, PROJECT, "recount_pred").unlink()
    with pytest.raises(CountsError, match=r"recount_pred\.SRP123456\.MD\.gz: is missing"):
        Recount3Source(mirror).read(PROJECT)


@pytest.mark.parametrize("keep", [12, -12], ids=["only the header", "all but the tail"])
def test_a_file_cut_short_is_named(mirror, keep):
    path = gene_file(mirror, PROJECT)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CountsError, match=r"gene_sums.*cut short"):
        Recount3Source(mirror).read(PROJECT)


def test_a_file_that_is_no_gzip_is_named(mirror):
    metadata_file(mirror, PROJECT, "sra").write_text("<html>not found</html>")
    with pytest.raises(CountsError, match="no gzip file"):
        Recount3Source(mirror).read(PROJECT)


@pytest.mark.parametrize(
    ("table", "lines", "message"),
    [
        (
            "recount_qc",
            ["external_id\tother", "SRR1\t1", "SRR2\t1"],
            "no run has a star.average_mapped_length above 0",
        ),
        ("recount_qc", ["external_id\tstar.average_mapped_length", "SRR1\t0", "SRR2\t"], "no run has"),
        ("recount_pred", TABLES["recount_pred"][:2], "run SRR1 of .* is not in this table"),
        ("sra", [*TABLES["sra"], "SRR3\tage;;1"], "run SRR3 of .* has no column here"),
    ],
    ids=["column", "no length", "run without row", "row without run"],
)
def test_tables_that_do_not_fit_are_named(mirror, table, lines, message):
    write(metadata_file(mirror, PROJECT, table), lines)
    with pytest.raises(CountsError, match=message):
        Recount3Source(mirror).read(PROJECT)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*GENES[:3], "ENSMUSG00000000001.4\t1000\t-3"], "gene ENSMUSG00000000001.4, run SRR2"),
        ([*GENES[:3], "ENSMUSG00000000001.4\tmany\t3"], "gene ENSMUSG00000000001.4, run SRR1"),
        ([*GENES[:4], "ENSMUSG00000000003.15\t7"], "gene ENSMUSG00000000003.15, run SRR2"),
        (GENES[2:], "not with 'gene_id'"),
        (GENES[:3], "holds no gene"),
        ([*GENES[:3], "ENSMUSG00000000001.4\tinf\t3"], "gene ENSMUSG00000000001.4, run SRR1"),
        ([*GENES, "ENSMUSG00000000004.1\t1\t2\t3\t4"], "is not a table"),
    ],
    ids=["negative", "text", "short row", "no comment lines", "no genes", "infinite", "long row"],
)
def test_gene_files_that_hold_no_coverage_are_named(mirror, lines, message):
    write(gene_file(mirror, PROJECT), lines)
    with pytest.raises(CountsError, match=message):
        Recount3Source(mirror).read(PROJECT)


def test_a_misspelt_exclusion_is_refused_and_not_passed_over(tmp_path):
    mirror = tmp_path / "mirror"
    simulate(mirror, SimulationConfig(n_genes=60, n_studies=6, samples_per_study=4, task_samples=4))
    with pytest.raises(CountsError, match="SRP9OOO11"):
        Recount3Source(mirror, exclude=("SRP9OOO11",)).studies()
    assert "SRP900011" not in Recount3Source(mirror, exclude=("SRP900011",)).studies()


def test_a_project_larger_than_a_block_comes_in_blocks_of_the_same_counts(tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    simulate(mirror, SimulationConfig(n_genes=60, n_studies=6, samples_per_study=11, task_samples=4))
    source = Recount3Source(mirror)
    study = next(study for study in source.studies() if source.n_samples(study) == 11)
    whole = source.read(study)
    monkeypatch.setattr("rnalearner.counts.recount3.BLOCK_RUNS", 4)
    monkeypatch.setattr("rnalearner.counts.coverage.PART_BYTES", 300)  # several parts, several reads
    blocks = list(source.blocks(study))
    assert [block.n_obs for block in blocks] == [4, 4, 3]
    np.testing.assert_array_equal(
        np.concatenate([b.layers["counts"] for b in blocks]), whole.layers["counts"]
    )
    for column in ("total", "n_expressed", "total_coverage", "factor"):
        assert [v for b in blocks for v in b.obs[column]] == whole.obs[column].tolist(), column
    assert source.read(study).obs_names.tolist() == whole.obs_names.tolist()


def test_both_totals_and_the_factor_between_them_are_kept(mirror):
    obs = Recount3Source(mirror).read(PROJECT).obs
    assert obs["total_coverage"].tolist() == [1200, 75]
    np.testing.assert_allclose(obs["total_coverage"] * obs["factor"], obs["total"])


def test_coverage_may_be_scaled_to_libraries_of_one_size(mirror):
    write(
        metadata_file(mirror, PROJECT, "recount_qc"),
        ["external_id\tbc_auc.all_reads_all_bases", "SRR1\t2400", "SRR2\t0"],
    )
    samples = Recount3Source(mirror, scaling="auc").read(PROJECT)
    assert list(samples.obs_names) == ["SRR1"]
    assert samples.obs["total"].tolist() == [2e7]
    assert samples.uns["read_report"]["dropped"] == {"SRR2": "no bc_auc.all_reads_all_bases"}


def test_a_run_that_stands_in_two_projects_is_read_once(mirror):
    for path in (gene_file(mirror, PROJECT), *(metadata_file(mirror, PROJECT, table) for table in TABLES)):
        copy = path.as_posix().replace(PROJECT, "SRP000056")
        write(type(path)(copy), gzip.decompress(path.read_bytes()).decode().splitlines())
    both = [f"{run}\t{project}" for project in ("SRP000056", PROJECT) for run in ("SRR1", "SRR2")]
    write(sample_list_file(mirror), ["external_id\tproject", *both[:3]])
    source = Recount3Source(mirror)
    assert list(source.read("SRP000056").obs_names) == ["SRR1", "SRR2"]
    later = source.read(PROJECT)
    assert list(later.obs_names) == ["SRR2"]
    assert later.uns["read_report"]["dropped"] == {"SRR1": "an earlier project has this run"}
    source = Recount3Source(mirror)
    source.read_before = frozenset({PROJECT})
    assert list(source.read(PROJECT).obs_names) == ["SRR1", "SRR2"]
    assert list(source.read("SRP000056").obs_names) == ["SRR2"]


def test_a_project_without_its_lengths_is_left_out_by_name_and_the_others_are_read(tmp_path):
    mirror = tmp_path / "mirror"
    simulate(mirror, SimulationConfig(n_genes=60, n_studies=6, samples_per_study=4, task_samples=4))
    source = Recount3Source(mirror)
    without = source.studies()[1]
    rows = [f"{run}\t" for run in source.read(without).obs_names]
    write(metadata_file(mirror, without, "recount_qc"), ["external_id\tstar.average_mapped_length", *rows])
    config = RunConfig.model_validate({"preprocessing": {"min_expressed_genes": 1}})
    _, reports = build_shards([source], config, tmp_path / "shards", lambda *told: None)
    left_out = {report["study"]: report["left_out"] for report in reports if "left_out" in report}
    assert list(left_out) == [without]
    assert f"sra.recount_qc.{without}.MD.gz: no run has a star.average_mapped_length" in left_out[without]
    assert set(ShardStore.open(tmp_path / "shards").obs["study"]) == set(source.studies()) - {without}
