"""A GTF with a known answer."""

import gzip
from pathlib import Path

import pytest

from rnalearner.counts.annotation import AnnotatedGene, read_annotation
from rnalearner.counts.gene_table import read_gene_table
from rnalearner.errors import InputError

X, NAMELESS, TWICE, LONE = (f"ENSG{number:011d}" for number in (2586, 5, 7, 9))
T1, T2, T3 = (f"ENST{number:011d}" for number in (1, 2, 3))


def line(feature: str, gene: str, *, chromosome: str = "chr1", **more: str) -> str:
    about = " ".join(f'{key} "{value}";' for key, value in {"gene_id": gene, **more}.items())
    return "\t".join([chromosome, "HAVANA", feature, "1", "9", ".", "+", ".", about])


LINES = [
    "##description: toy",
    line("gene", f"{X}.20", chromosome="chrX", gene_type="protein_coding", gene_name="CD99"),
    line("transcript", f"{X}.20", chromosome="chrX", transcript_id=f"{T1}.4", gene_name="CD99"),
    line("exon", f"{X}.20", chromosome="chrX", transcript_id=f"{T1}.4", gene_name="CD99"),
    line("gene", f"{X}.20_PAR_Y", chromosome="chrY", gene_type="protein_coding", gene_name="CD99"),
    line("transcript", f"{X}.20_PAR_Y", chromosome="chrY", transcript_id=f"{T1}.4_PAR_Y"),
    line("gene", NAMELESS, gene_version="3", gene_biotype="lncRNA", chromosome="2"),
    line("transcript", NAMELESS, chromosome="2", transcript_id=T2, transcript_version="1"),
    line("gene", f"{TWICE}.1", gene_type="snRNA", gene_name="U6", chromosome="chr3"),
    line("gene", f"{TWICE}.1", gene_type="snRNA", gene_name="U6", chromosome="chr3"),
    line("gene", f"{LONE}.1", gene_type="snRNA", gene_name="U6", chromosome="chr4"),
    line("transcript", f"{LONE}.1", chromosome="chr4", transcript_id=T3),
    line("gene", "ERCC-00002", gene_name="ERCC"),
]
GENES = [
    AnnotatedGene(X, "CD99", "protein_coding", "chrX"),
    AnnotatedGene(NAMELESS, "", "lncRNA", "2"),
    AnnotatedGene(TWICE, "U6", "snRNA", "chr3"),
    AnnotatedGene(LONE, "U6", "snRNA", "chr4"),
]


def write(path: Path, lines: list[str] = LINES) -> Path:
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["a.gtf", "a.gtf.gz"])
def test_genes_and_transcripts_of_a_gtf_are_read_without_versions_each_once(tmp_path, name):
    told = []
    found = read_annotation(write(tmp_path / name), lambda done, total: told.append((done, total)))
    assert found.genes == GENES
    assert found.transcripts == {T1: X, T2: NAMELESS, T3: LONE}
    assert told[-1] == ((tmp_path / name).stat().st_size,) * 2


def test_what_is_said_twice_or_left_out_is_counted_and_named(tmp_path):
    report = read_annotation(write(tmp_path / "a.gtf")).report
    assert (report["n_genes"], report["n_transcripts"]) == (4, 3)
    assert report["without_symbol"] == [NAMELESS]
    assert (report["n_shared_symbols"], report["shared_symbols"]) == (1, ["U6"])
    assert (report["copies_on_y"], report["repeated"], report["not_ensembl"]) == (
        [X],
        [TWICE],
        ["ERCC-00002"],
    )


def test_without_lines_of_genes_those_of_transcripts_or_exons_count(tmp_path):
    exons = [
        line("exon", f"{X}.1", chromosome="X", gene_name="CD99", transcript_id=T1),
        line("exon", f"{X}.1", chromosome="X", gene_name="CD99", transcript_id=T1),
        line("CDS", f"{LONE}.1", chromosome="4", transcript_id=T3),
    ]
    found = read_annotation(write(tmp_path / "a.gtf", exons))
    assert [gene.ensembl for gene in found.genes] == [X, LONE]
    assert found.transcripts == {T1: X, T3: LONE}
    assert found.report["n_repeated"] == 0


def test_the_table_written_is_read_as_the_gtf_itself(tmp_path):
    found = read_annotation(write(tmp_path / "a.gtf.gz"))
    assert found.save(tmp_path / "genes.csv") == [tmp_path / "genes.csv", tmp_path / "genes.transcripts.csv"]
    assert (tmp_path / "genes.csv").read_text().splitlines()[:2] == [
        "ensembl,symbol,biotype,chromosome",
        f"{X},CD99,protein_coding,chrX",
    ]
    of_csv, of_gtf = read_gene_table(tmp_path / "genes.csv"), read_gene_table(tmp_path / "a.gtf.gz")
    assert of_csv.ids == of_gtf.ids == {X, NAMELESS, TWICE, LONE}
    assert of_csv.symbol_of == of_gtf.symbol_of == {X: "CD99", TWICE: "U6", LONE: "U6"}
    assert of_csv.gene_of_transcript == of_gtf.gene_of_transcript == {T1: X, T2: NAMELESS, T3: LONE}
    assert of_csv.resolve(["CD99", "U6"]).ids == [X, None]


def test_an_annotation_without_transcripts_leaves_none_of_another(tmp_path):
    read_annotation(write(tmp_path / "a.gtf")).save(tmp_path / "genes.csv")
    genes_only = [text for text in LINES if "\tgene\t" in text]  # as recount3's
    written = read_annotation(write(tmp_path / "b.gtf", genes_only)).save(tmp_path / "genes.csv")
    assert written == [tmp_path / "genes.csv"]
    assert read_gene_table(tmp_path / "genes.csv").gene_of_transcript == {}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("gene", "Xkr4", gene_name="Xkr4")], r"names no Ensembl gene \(first gene_id: Xkr4\)"),
        (["#!genome"], "names no gene; give the GTF"),
        (["chr1\tgene\t3"], "line 1 has 3 fields, not the 9"),
        (
            ["chr1\tH\tgene\t1\t9\t.\t+\t.\tID=gene:ENSG00000000005;Name=TNMD"],
            "line 1 is of a GFF3 file, not of a GTF",
        ),
        (
            [line("gene", LONE, gene_name="A"), line("gene", LONE, gene_name="B")],
            f"has {LONE} on two lines, as 'A' and as 'B'",
        ),
    ],
    ids=["refseq", "empty", "no_gtf", "gff3", "two_symbols"],
)
def test_what_is_no_such_annotation_is_refused(tmp_path, lines, message):
    with pytest.raises(InputError, match=f"a.gtf: .*{message}"):
        read_annotation(write(tmp_path / "a.gtf", lines))


def test_an_annotation_that_is_absent_or_cut_short_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_annotation(tmp_path / "a.gtf")
    whole = write(tmp_path / "a.gtf.gz").read_bytes()
    (tmp_path / "a.gtf.gz").write_bytes(whole[:-40])
    with pytest.raises(InputError, match="ends too early"):
        read_annotation(tmp_path / "a.gtf.gz")
