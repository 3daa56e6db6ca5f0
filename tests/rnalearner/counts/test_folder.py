"""Folders as quantifiers leave them."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from rnalearner.counts.genes import GeneTable
from rnalearner.counts.read import read_counts
from rnalearner.errors import CountsError, GeneError

IDS = [f"ENSMUSG{number:011d}" for number in range(1, 7)]
SYMBOLS = ["Gnai3", "Pbsn", "Cdc45", "H19", "Scml2", "Apoh"]
SAMPLES = ["S1", "S2", "S3"]
COUNTS_NG = np.array([[10, 0, 3, 7, 1, 40], [5, 1, 0, 70, 2, 33], [0, 0, 8, 9, 0, 21]], dtype=float)
TX = [f"ENSMUST{number:011d}" for number in range(1, 13)]
"""Two of each gene: gene g has transcripts 2g and 2g+1."""
GENE_OF = {transcript: IDS[at // 2] for at, transcript in enumerate(TX)}
TABLE = GeneTable(zip(IDS, SYMBOLS, strict=True), GENE_OF)


def check(samples):
    assert (list(samples.obs_names), list(samples.var_names)) == (SAMPLES, IDS)
    np.testing.assert_allclose(samples.layers["counts"], COUNTS_NG)
    return samples.uns["read_report"]


def salmon(path: Path, names: list[str], counts: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{name}\t900\t700.5\t3.25\t{count:.3f}" for name, count in zip(names, counts, strict=True)]
    text = "\n".join(["Name\tLength\tEffectiveLength\tTPM\tNumReads", *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def by_transcript(counts_g: np.ndarray) -> np.ndarray:
    """A quarter and three quarters, as an EM leaves them: not whole."""
    return np.repeat(counts_g, 2) * np.tile([0.25, 0.75], len(counts_g))


def salmon_run(folder: Path, names: list[str] = TX, file: str = "quant.sf") -> None:
    for sample, counts_g in zip(SAMPLES, COUNTS_NG, strict=True):
        salmon(folder / sample / file, names, by_transcript(counts_g) if len(names) == len(TX) else counts_g)
        (folder / sample / "cmd_info.json").write_text("{}")
        (folder / sample / "aux_info").mkdir()


@pytest.mark.parametrize("file", ["quant.sf", "quant.sf.gz"])
def test_transcripts_of_salmon_are_summed_to_genes_and_folders_name_samples(tmp_path, file):
    salmon_run(tmp_path, [f"{name}.2" for name in TX], file)
    (tmp_path / "multiqc.html").write_text("x")
    samples = read_counts(tmp_path, TABLE)
    report = check(samples)
    assert samples.obs["n_expressed"].tolist() == (COUNTS_NG > 0).sum(axis=1).tolist()
    assert report["id_type"] == "transcript"
    assert report["files"] == [f"{sample}/{file}" for sample in SAMPLES]
    assert report["files_left_out"] == ["multiqc.html"]
    assert report["fractional"]


def test_transcripts_without_a_table_that_knows_them_are_refused(tmp_path):
    salmon_run(tmp_path)
    for table in (None, GeneTable(zip(IDS, SYMBOLS, strict=True))):
        with pytest.raises(
            GeneError, match=f"12 of its rows are transcripts .first: {TX[0]}.; give as `data.genes`"
        ):
            read_counts(tmp_path, table)
    few = GeneTable(zip(IDS, SYMBOLS, strict=True), dict(list(GENE_OF.items())[:3]))
    with pytest.raises(GeneError, match="only 3 of 12 genes are known"):
        read_counts(tmp_path, few)


def test_transcripts_named_as_in_gencodes_fasta_name_their_genes_themselves(tmp_path):
    salmon_run(tmp_path, [f"{name}.1|{GENE_OF[name]}.3|OTT|-|x-201|x|900|" for name in TX])
    check(read_counts(tmp_path))


def test_genes_of_salmon_are_preferred_to_its_transcripts(tmp_path):
    salmon_run(tmp_path)
    for sample, counts_g in zip(SAMPLES, COUNTS_NG, strict=True):
        salmon(tmp_path / sample / "quant.genes.sf", IDS, counts_g)
    assert check(read_counts(tmp_path))["files"][0] == "S1/quant.genes.sf"


def test_files_of_salmon_may_lie_side_by_side_or_be_one_samples(tmp_path):
    for sample, counts_g in zip(SAMPLES, COUNTS_NG, strict=True):
        salmon(tmp_path / "flat" / f"{sample}_quant.genes.sf", IDS, counts_g)
    check(read_counts(tmp_path / "flat"))
    salmon(tmp_path / "S2" / "quant.genes.sf", IDS, COUNTS_NG[1])
    (tmp_path / "S2" / "cmd_info.json").write_text("{}")
    for path in (tmp_path / "S2", tmp_path / "S2" / "quant.genes.sf"):
        samples = read_counts(path)
        assert list(samples.obs_names) == ["S2"]
        np.testing.assert_array_equal(samples.layers["counts"], COUNTS_NG[1:2])


def test_a_sample_that_salmon_did_not_finish_is_named(tmp_path):
    salmon_run(tmp_path)
    (tmp_path / "S2" / "quant.sf").unlink()
    with pytest.raises(CountsError, match=r"S2: lacks quant.sf, which S1 has"):
        read_counts(tmp_path, TABLE)


def test_samples_with_other_transcripts_are_told_apart_by_folder(tmp_path):
    salmon_run(tmp_path)
    salmon(tmp_path / "S3" / "quant.sf", TX[:-1], by_transcript(COUNTS_NG[2])[:-1])
    with pytest.raises(CountsError, match=rf"S3/quant.sf: lacks gene {TX[-1]}, which S1/quant.sf has"):
        read_counts(tmp_path, TABLE)


def test_kallistos_folders_are_read(tmp_path):
    for sample, counts_g in zip(SAMPLES, COUNTS_NG, strict=True):
        (tmp_path / sample).mkdir()
        rows = [f"{n}\t9\t7.5\t{c}\t1.5" for n, c in zip(TX, by_transcript(counts_g), strict=True)]
        text = "\n".join(["target_id\tlength\teff_length\test_counts\ttpm", *rows])
        (tmp_path / sample / "abundance.tsv").write_text(text)
        (tmp_path / sample / "abundance.h5").write_bytes(b"x")
    check(read_counts(tmp_path, TABLE))


@pytest.mark.parametrize("name", ["counts.txt", "{sample}_htseq.txt"])
def test_one_file_in_every_samples_folder_is_enough(tmp_path, name):
    for sample, counts_g in zip(SAMPLES, COUNTS_NG, strict=True):
        (tmp_path / sample).mkdir()
        rows = [f"{gene}\t{count:g}" for gene, count in zip(IDS, counts_g, strict=True)]
        (tmp_path / sample / name.format(sample=sample)).write_text("\n".join([*rows, "__no_feature\t9"]))
    check(read_counts(tmp_path))
    (tmp_path / "S2" / "notes.txt").write_text("x")
    with pytest.raises(CountsError, match="S2: holds 2 files, none of which is known"):
        read_counts(tmp_path)


def test_featurecounts_summaries_are_no_tables(tmp_path):
    for sample, counts_g in zip(SAMPLES, COUNTS_NG, strict=True):
        rows = [f"{gene}\tchr1\t1\t2\t+\t2\t{count:g}" for gene, count in zip(IDS, counts_g, strict=True)]
        head = ["# Program:featureCounts", f"Geneid\tChr\tStart\tEnd\tStrand\tLength\tbam/{sample}.bam"]
        (tmp_path / f"{sample}.txt").write_text("\n".join([*head, *rows]))
        (tmp_path / f"{sample}.txt.summary").write_text(f"Status\tbam/{sample}.bam\nAssigned\t9\n")
    assert check(read_counts(tmp_path))["files_left_out"] == [f"{s}.txt.summary" for s in SAMPLES]


def test_stringties_matrix_is_read_and_loci_of_one_gene_are_summed(tmp_path):
    names = [f"{IDS[0]}.4|Gnai3", "MSTRG.2|Pbsn", *IDS[2:5], "MSTRG.7|Apoh", "MSTRG.8|Apoh", "MSTRG.9"]
    counts_gn = np.vstack([COUNTS_NG.T[:5], COUNTS_NG.T[5] - 20, np.full(3, 20), np.full(3, 4)])
    rows = [f"{name},{','.join(f'{c:g}' for c in row)}" for name, row in zip(names, counts_gn, strict=True)]
    (tmp_path / "gene_count_matrix.csv").write_text("\n".join(["gene_id,S1,S2,S3", *rows]) + "\n")
    report = check(read_counts(tmp_path / "gene_count_matrix.csv", TABLE))
    assert (report["unmatched"], report["summed"]) == (["MSTRG.9"], [IDS[5]])


@pytest.mark.parametrize(
    ("file", "header", "row"),
    [
        (
            "gene_abund.tab",
            "Gene ID\tGene Name\tReference\tStrand\tStart\tEnd\tCoverage\tFPKM\tTPM",
            "{gene}\tx\tchr1\t+\t1\t2\t3.5\t1.5\t1.25",
        ),
        (
            "t_data.ctab",
            "t_id\tchr\tstrand\tstart\tend\tt_name\tnum_exons\tlength\tgene_id\tgene_name\tcov\tFPKM",
            "{at}\tchr1\t+\t1\t2\tENSMUST00000000001\t2\t900\t{gene}\tx\t3.5\t1.5",
        ),
    ],
)
def test_stringties_coverage_is_no_count_and_says_what_to_run(tmp_path, file, header, row):
    for sample in SAMPLES:
        (tmp_path / sample).mkdir()
        rows = [row.format(gene=gene, at=at) for at, gene in enumerate(IDS)]
        (tmp_path / sample / file).write_text("\n".join([header, *rows]) + "\n")
    for path in (tmp_path, tmp_path / "S1" / file):
        with pytest.raises(CountsError, match=f"{file}: holds coverage as StringTie .* prepDE.py"):
            read_counts(path)
