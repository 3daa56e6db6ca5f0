"""How a text table is laid out, found from its first lines only."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnalearner.counts.genes import ENSEMBL, GeneTable
from rnalearner.counts.opening import first_lines, short
from rnalearner.errors import CountsError, GeneError

NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *", re.ASCII)
MISSING = {"", "NA", "NaN", "nan", "N/A", "NULL", "null", "#N/A"}
# Columns that describe a gene, as featureCounts, RSEM, Salmon, DESeq2 and annotation joins write them.
ANNOTATION = re.compile(
    r"chr|chrom|chromosome(_name)?|seqnames|(start|end)(_position)?|strand|length|width|eff(ective)?_?length"
    r"|transcript_ids?|transcript_id\(s\)|gene_ids?|geneid|gene_?name|(external_)?gene_(name|symbol)|symbol"
    r"|mgi_symbol|(gene_)?description|gene_(type|biotype)|biotype|entrez(gene)?(_?id)?"
    r"|basemean|log2foldchange|lfcse|stat|pvalue|padj|tpm|fpkm"
)
# One-sample files that hold several measures: this one is counts.
COUNTS_OF_ONE_SAMPLE = ("expected_count", "numreads", "est_counts")
HEADER_WORDS = {"", "id", "name", "gene", "genes", "target_id", "ensembl", "feature", "sample", "count"}
# What a file is called besides its sample.
ENDINGS = re.compile(
    r"(\.(gz|txt|tsv|csv|tab|out|results|genes|htseq)|[._-]?(htseq|feature|read|gene)?[._-]?counts?)$", re.I
)


@dataclass(frozen=True)
class Layout:
    """Where names and counts are in a text table."""

    delimiter: str
    skip: int
    """Lines before the first row."""
    columns: tuple[str, ...]
    """A name for every column; a count column's is a sample or a gene."""
    label: int
    """The column that names the rows."""
    numbers: tuple[int, ...]
    """The columns of counts."""
    genes_in: Literal["rows", "columns"]

    @property
    def left_out(self) -> list[str]:
        """Columns that are neither names nor counts."""
        kept = {self.label, *self.numbers}
        return [name for column, name in enumerate(self.columns) if column not in kept]


def detect(path: Path, genes: GeneTable | None = None) -> Layout:
    """Delimiter, header, names, counts and orientation of a text table.

    Raises CountsError where it is no table, GeneError where neither side holds known genes.
    """
    lines = first_lines(path)
    skip = _preamble(lines)
    if not any(line.strip() for line in lines[skip:]):
        raise CountsError(path, "is empty", "give a table of genes and samples")
    delimiter = _delimiter(path, lines[skip:])
    try:
        rows = list(csv.reader((line for line in lines[skip:] if line.strip()), delimiter=delimiter))
    except csv.Error as error:
        raise CountsError(path, f"cannot be cut into columns ({error})", "close every quote") from None
    if _is_header(rows, genes):
        skip, header, rows = skip + 1, rows[0], rows[1:]
        if not rows:
            raise CountsError(path, "has a header and no rows", "give a table with at least one gene")
        if len(header) == len(rows[0]) - 1:
            header = ["", *header]  # as R writes row names
    else:
        header = [""] * len(rows[0])
    if len(header) != len(rows[0]):
        what = f"has {len(header)} names in its header and {len(rows[0])} fields in the row after it"
        raise CountsError(path, what, "give every column one name")
    rows = [row for row in rows if len(row) == len(header)]

    text = _text_columns(rows)
    numbers = tuple(c for c in range(len(header)) if c not in text and c > 0)
    labels = sorted({0, *text})
    row_shares = {c: gene_share([row[c] for row in rows], genes) for c in labels}
    label = max(labels, key=lambda c: row_shares[c])
    column_share = gene_share([header[c] for c in numbers], genes)
    if any(header) and column_share > row_shares[label]:
        label = next((c for c in labels if header[c].strip().casefold().startswith("sample")), labels[0])
        return Layout(delimiter, skip, tuple(header), label, numbers, "columns")
    if row_shares[label] == 0:
        _refuse_unknown(path, [row[label] for row in rows], genes)

    folded = [name.strip().casefold() for name in header]
    measure = [c for c in numbers if folded[c] in COUNTS_OF_ONE_SAMPLE]
    if len(measure) == 1:
        header[measure[0]], numbers = sample_of(path), tuple(measure)
    numbers = tuple(c for c in numbers if c != label and not ANNOTATION.fullmatch(folded[c]))
    if not numbers:
        what = "has no column of counts (is the delimiter a tab or a comma?)"
        raise CountsError(path, what, "give one column a sample")
    if len(numbers) == 1 and folded[numbers[0]] in ("", "count", "counts"):
        header[numbers[0]] = sample_of(path)
    if not any(header[c] for c in numbers):
        what = f"has {len(numbers)} columns of counts and no header"
        remedy = "add a header with sample names, or keep the one column that fits the library"
        raise CountsError(path, what, remedy)
    for column in numbers:
        header[column] = re.sub(r"(.*/)?(.*?)(\.(sorted|bam|sam|cram))+$", r"\2", header[column].strip())
    return Layout(delimiter, skip, tuple(header), label, numbers, "rows")


def gene_share(names: Sequence[str], genes: GeneTable | None) -> float:
    """Share of names that are Ensembl gene ids or, with a table, known symbols; of at most 1,000."""
    some = names[:: max(1, len(names) // 1000)]
    known = [
        bool(ENSEMBL.fullmatch(name) or (genes is not None and genes.candidates(name)))
        for name in (name.strip() for name in some)
    ]
    return sum(known) / len(known) if known else 0.0


def sample_of(path: Path) -> str:
    """A one-sample file's sample: `H18_DOX_counts.gz` -> `H18_DOX`."""
    name = path.name
    while (shorter := ENDINGS.sub("", name)) and shorter != name:
        name = shorter
    return name


def _preamble(lines: list[str]) -> int:
    """Comment lines; a GCT file (`#1.2`) has its dimensions on one line more."""
    skip = 0
    while skip < len(lines) and lines[skip].startswith("#"):
        skip += 1
    return skip + 1 if lines and lines[0].startswith("#1.") else skip


def _delimiter(path: Path, lines: list[str]) -> str:
    """The delimiter that cuts the first lines into most fields, rows alike (a header may be one short)."""
    best, most = "", 1
    for delimiter in ("\t", ",", ";", " "):
        try:
            widths = [len(row) for row in csv.reader(lines[:20], delimiter=delimiter) if row]
        except csv.Error:  # a field longer than csv allows: a whole wide line, so not this delimiter
            continue
        body = widths[1:] or widths
        # One odd row must not hide the delimiter: its own error names it later.
        usual = max(set(body), key=lambda width: (body.count(width), width))
        if usual > most and abs(widths[0] - usual) <= 1:
            best, most = delimiter, usual
    if not best:
        what = "is not a table: its lines have one field, or uneven numbers of them"
        raise CountsError(path, what, "separate the columns by tabs or commas")
    return best


def _is_header(rows: list[list[str]], genes: GeneTable | None) -> bool:
    first = rows[0]
    if len(rows) > 1 and len(rows[1]) == len(first) + 1:
        return True
    if not all(NUMBER.fullmatch(field) for field in first[1:]):
        return True
    # Samples may be called 1, 2, 3: then only the first field can tell.
    name = first[0].strip()
    if name.casefold() in HEADER_WORDS or ANNOTATION.fullmatch(name.casefold()):
        return True
    if gene_share([name], genes) or len(rows) == 1:
        return False
    following = gene_share([row[0] for row in rows[1:]], genes)
    return following > 0.9


def _text_columns(rows: list[list[str]]) -> set[int]:
    """Columns without a single number. One wrong cell does not make a column text."""
    if not rows:
        return set()
    undecided = set(range(len(rows[0])))
    for row in rows:
        undecided = {c for c in undecided if not NUMBER.fullmatch(row[c])}
    return {c for c in undecided if not all(row[c].strip() in MISSING for row in rows)}


def _refuse_unknown(path: Path, names: list[str], genes: GeneTable | None) -> None:
    shown = ", ".join(short(name) for name in names[:3])
    if genes is None:
        what = f"its rows and columns are not named by Ensembl gene ids (rows: {shown})"
        raise GeneError(path, what, "where these are symbols, give the table `data.genes` that knows them")
    what = f"none of its first rows or columns is a known gene (rows: {shown})"
    raise GeneError(path, what, "check the species and the table `data.genes`")
