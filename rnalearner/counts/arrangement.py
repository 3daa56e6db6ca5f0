"""Which columns of a table hold names, and which hold counts: the same for text and Parquet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnalearner.counts.genes import ENSEMBL, TRANSCRIPT, GeneTable, kind_of, plain_name
from rnalearner.counts.opening import short
from rnalearner.counts.other_names import kind_of_names
from rnalearner.errors import CountsError, GeneError

# Columns that describe a gene, as featureCounts, RSEM, Salmon, DESeq2 and annotation joins write them.
ANNOTATION = re.compile(
    r"chr|chrom|chromosome(_name)?|seqnames|(start|end)(_position)?|strand|(gene_?)?length|width|eff(ective)?_?length"
    r"|transcript_ids?|transcript_id\(s\)|gene_ids?|geneid|gene_?name|(external_)?gene_(name|symbol)|symbol"
    r"|mgi_symbol|(gene_)?description|gene_(type|biotype)|biotype|entrez(gene)?(_?id)?"
    r"|basemean|log2foldchange|lfcse|stat|pvalue|padj|tpm|fpkm"
)
# One-sample files that hold several measures: this one is counts.
COUNTS_OF_ONE_SAMPLE = ("expected_count", "numreads", "est_counts")
COVERAGE = ("coverage", "cov")
"""StringTie's measure, beside FPKM: bases a base of the gene, which only its length turns to counts."""
# What a file is called besides its sample.
ENDINGS = re.compile(
    r"(\.(gz|txt|tsv|csv|tab|out|sf|results|genes|htseq|parquet)"
    r"|[._-]?(htseq|feature|read|gene)?[._-]?counts?|[._-]quant)$",
    re.I,
)

# What Salmon and kallisto call every sample's file.
CALLED_ALIKE = re.compile(r"(quant(\.genes)?\.sf|abundance\.tsv)(\.gz)?")


_MOST_LETTERS = 10_000
"""Of a column's name."""


@dataclass(frozen=True)
class Arrangement:
    """Where names and counts are in a table."""

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


def arrange(
    path: Path,
    header: Sequence[str],
    named: Mapping[int, Sequence[str]],
    numbers: tuple[int, ...],
    genes: GeneTable | None,
) -> Arrangement:
    """Names, counts and orientation, from the header, columns that may name rows, and numeric columns.

    Raises CountsError where no column holds counts, GeneError where neither side holds known genes.
    """
    header = list(header)
    if (longest := max(map(len, header), default=0)) > _MOST_LETTERS:
        what = f"has a column whose name is {longest:,} letters long"
        raise CountsError(path, what, "give every column a short name")
    folded = [name.strip().casefold() for name in header]
    row_shares = {c: gene_share(names, genes) for c, names in named.items()}
    label = max(named, key=lambda c: row_shares[c])
    column_share = gene_share([header[c] for c in numbers], genes)
    if any(header) and column_share > row_shares[label]:
        label = next((c for c in named if folded[c].startswith("sample")), min(named))
        return Arrangement(tuple(header), label, numbers, "columns")
    if "fpkm" in folded and any(name in folded for name in COVERAGE):
        what = "holds coverage as StringTie writes it, and no counts"
        raise CountsError(path, what, "run its prepDE.py, and give gene_count_matrix.csv")
    if row_shares[label] == 0:
        _refuse_unknown(path, named[label], genes)

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
    return Arrangement(tuple(header), label, numbers, "rows")


def gene_share(names: Sequence[str], genes: GeneTable | None) -> float:
    """Share of names that are Ensembl ids (of genes or transcripts) or, with a table, known symbols; of
    at most 1,000.
    """
    some = [plain_name(name.strip()) for name in names[:: max(1, len(names) // 1000)]]
    known = [
        bool(
            ENSEMBL.fullmatch(name)
            or TRANSCRIPT.fullmatch(name)
            or (genes is not None and genes.candidates(name))
        )
        for name in some
    ]
    return sum(known) / len(known) if known else 0.0


def sample_of(path: Path) -> str:
    """A one-sample file's sample: `H18_DOX_counts.gz` -> `H18_DOX`, `S1/quant.sf` -> `S1`."""
    name = path.absolute().parent.name if CALLED_ALIKE.fullmatch(path.name) else path.name
    while (shorter := ENDINGS.sub("", name)) and shorter != name:
        name = shorter
    return name


def _refuse_unknown(path: Path, names: Sequence[str], genes: GeneTable | None) -> None:
    shown = ", ".join(short(name) for name in names[:3])
    kind = kind_of_names([name.strip() for name in names])
    if kind is not None:
        raise GeneError(path, f"names its genes by {kind[0]} (rows: {shown})", kind[1])
    if genes is None:
        what = f"its rows and columns are not named by Ensembl gene ids (rows: {shown})"
        raise GeneError(path, what, "where these are symbols, give the table `data.genes` that knows them")
    known = kind_of(sorted(genes.ids)) if genes.ids else "nothing"
    what = f"none of its first rows or columns is a known gene (rows: {shown}; known are {known})"
    raise GeneError(path, what, "check the species and the table `data.genes`")
