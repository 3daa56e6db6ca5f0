"""An annotation (GTF of GENCODE, Ensembl or recount3) -> its genes, and the gene of each transcript."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rnalearner.config.data import transcripts_beside
from rnalearner.counts.genes import ENSEMBL, TRANSCRIPT
from rnalearner.counts.opening import open_text, short
from rnalearner.errors import GeneError
from rnalearner.publish import publish_file

OnBytes = Callable[[int, int], None]
_ENDINGS = (".gtf", ".gtf.gz", ".gff", ".gff.gz", ".gff3", ".gff3.gz")
_ATTRIBUTE = re.compile(r'(\w+) "([^"]*)"')
_LINES_A_CALL = 50_000
_NEW: tuple[list[bytes], ...] = ([b"gene"], [b"transcript"], [])
"""Third fields of the lines to read once there are lines of genes; none, to say what is wrong with them."""


class AnnotatedGene(NamedTuple):
    """A row of a gene table; "" where the annotation does not say."""

    ensembl: str
    symbol: str
    biotype: str
    chromosome: str


@dataclass(frozen=True)
class Annotation:
    """Genes in the order of the file, each once; transcripts and genes without version."""

    genes: list[AnnotatedGene]
    transcripts: dict[str, str]
    """The gene of each transcript."""
    report: dict[str, Any]
    """What was left out or said twice, in numbers and with first names."""

    def save(self, path: Path) -> list[Path]:
        """Write the gene table, and beside it the transcripts, where there are any."""
        beside = transcripts_beside(path)
        # First, so that no table of genes stands beside the transcripts of another annotation.
        beside.unlink(missing_ok=True)
        _write_csv(path, AnnotatedGene._fields, self.genes)
        if not self.transcripts:
            return [path]
        _write_csv(beside, ("transcript", "ensembl"), self.transcripts.items())
        return [path, beside]


def is_annotation(path: Path) -> bool:
    """By its name."""
    return path.name.casefold().endswith(_ENDINGS)


def read_annotation(path: Path, on_bytes: OnBytes = lambda done, total: None) -> Annotation:
    """Stream a GTF. Copies of a gene (PAR_Y) are one; genes without a symbol keep an empty one.

    Where it has no lines of genes, those that its transcripts or exons name. `on_bytes` is told how far
    the file is read. Raises GeneError where it is no GTF, or names no Ensembl gene.
    """
    genes: dict[str, AnnotatedGene] = {}
    transcripts: dict[str, str] = {}
    seen: set[str] = set()
    copies: dict[str, None] = {}
    repeated: dict[str, None] = {}
    foreign: dict[str, None] = {}
    for feature, chromosome, about in _features(path, on_bytes):
        name = about.get("gene_id", "")
        match = ENSEMBL.fullmatch(name)
        if match is None:
            foreign[name] = None
            continue
        symbol = about.get("gene_name", "")
        found = AnnotatedGene(
            match[1],
            "" if ENSEMBL.fullmatch(symbol) else symbol,
            about.get("gene_type") or about.get("gene_biotype", ""),
            chromosome,
        )
        known = genes.setdefault(found.ensembl, found)
        if feature == "gene":
            if found.ensembl in seen:
                (copies if match[3] or chromosome in ("Y", "chrY") else repeated)[found.ensembl] = None
                if found.symbol != known.symbol and not match[3]:
                    what = f"has {known.ensembl} on two lines, as {known.symbol!r} and as {symbol!r}"
                    raise GeneError(path, what, "give an annotation of one release")
            seen.add(found.ensembl)
        transcript = TRANSCRIPT.fullmatch(about.get("transcript_id", ""))
        if transcript is not None:
            transcripts.setdefault(transcript[1], found.ensembl)
    if not genes:
        first = next(iter(foreign), "")
        what = f"names no Ensembl gene (first gene_id: {short(first)})" if first else "names no gene"
        raise GeneError(path, what, "give the GTF of a GENCODE or Ensembl release")
    return Annotation(
        list(genes.values()), transcripts, _report(genes, transcripts, copies, repeated, foreign)
    )


def _features(path: Path, on_bytes: OnBytes) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Feature, chromosome and attributes of lines that say something new of genes or transcripts."""
    summed_up = False
    try:
        total = path.stat().st_size
        with open_text(path) as file:
            packed = getattr(file, "fileobj", None) or file  # of a gzip file, what is read of the disk
            for number, raw in enumerate(file, start=1):
                if number % _LINES_A_CALL == 0:
                    on_bytes(min(packed.tell(), total), total)
                if raw.startswith(b"#") or not raw.strip():
                    continue
                if summed_up and raw.split(b"\t", 3)[2:3] not in _NEW:
                    continue  # exons only repeat it, nine lines of ten
                fields = raw.decode().rstrip("\r\n").split("\t")
                if len(fields) != 9:
                    what = f"line {number} has {len(fields)} fields, not the 9 of a GTF"
                    raise GeneError(path, what, "give a GTF, plain or gzipped")
                feature = fields[2]
                summed_up = summed_up or [feature.encode()] in _NEW
                about: dict[str, str] = {}
                for key, value in _ATTRIBUTE.findall(fields[8]):
                    about.setdefault(key, value)
                if not about and "=" in fields[8]:
                    what = f"line {number} is of a GFF3 file, not of a GTF"
                    raise GeneError(path, what, "give the GTF of the same release")
                yield feature, fields[0], about
            on_bytes(total, total)
    except FileNotFoundError:
        raise GeneError(path, "there is no such file", "correct the path") from None


def _report(
    genes: dict[str, AnnotatedGene],
    transcripts: dict[str, str],
    copies: dict[str, None],
    repeated: dict[str, None],
    foreign: dict[str, None],
) -> dict[str, Any]:
    with_symbol: dict[str, int] = {}
    for gene in genes.values():
        if gene.symbol:
            with_symbol[gene.symbol] = with_symbol.get(gene.symbol, 0) + 1
    shared = sorted(symbol for symbol, n in with_symbol.items() if n > 1)
    unnamed = [gene.ensembl for gene in genes.values() if not gene.symbol]
    report: dict[str, Any] = {"n_genes": len(genes), "n_transcripts": len(transcripts)}
    for name, found in (
        ("without_symbol", unnamed),
        ("shared_symbols", shared),
        ("copies_on_y", list(copies)),
        ("repeated", list(repeated)),
        ("not_ensembl", list(foreign)),
    ):
        report |= {f"n_{name}": len(found), name: found[:10]}
    return report


def _write_csv(path: Path, header: tuple[str, ...], rows: Any) -> None:
    with publish_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
