"""The table of genes that a user gives: a CSV of ids and symbols, or the annotation itself."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rnalearner.config.data import transcripts_beside
from rnalearner.counts.annotation import is_annotation, read_annotation
from rnalearner.counts.genes import ENSEMBL, GeneTable, csv_rows, without_version
from rnalearner.counts.opening import short
from rnalearner.errors import GeneError


def read_gene_table(path: Path) -> GeneTable:
    """Columns `ensembl` and `symbol` (synonyms after it, `A|B`, or in a column `synonyms`), or a GTF.

    Transcripts are those of the GTF, or of `NAME.transcripts.csv` beside `NAME.csv`. Raises GeneError
    where columns are missing, an id has two symbols, or no id is an Ensembl gene.
    """
    if is_annotation(path):
        annotation = read_annotation(path)
        return GeneTable(((gene.ensembl, gene.symbol) for gene in annotation.genes), annotation.transcripts)
    rows = csv_rows(path)
    header = [name.strip() for name in rows[0]] if rows else []
    if "ensembl" not in header or "symbol" not in header:
        missing = next(name for name in ("ensembl", "symbol") if name not in header)
        has = ", ".join(map(short, header[:5])) or "nothing"
        raise GeneError(
            path, f"lacks a column `{missing}` (it has {has})", "give a CSV with ensembl and symbol"
        )
    gene, symbol = header.index("ensembl"), header.index("symbol")
    more = header.index("synonyms") if "synonyms" in header else None
    pairs = []
    for row in rows[1:]:
        row = [cell.strip() for cell in row] + [""] * (len(header) - len(row))
        if row[gene]:
            synonyms = f"|{row[more]}" if more is not None and row[more] else ""
            pairs.append((without_version(row[gene]), f"{row[symbol]}{synonyms}"))
    if not any(ENSEMBL.fullmatch(ensembl) for ensembl, _ in pairs):
        first = f" (first: {short(pairs[0][0])})" if pairs else ""
        raise GeneError(
            path,
            f"its column `ensembl` holds no Ensembl gene id{first}",
            "give ids such as ENSMUSG00000000001",
        )
    _refuse_two_symbols(path, pairs)
    return GeneTable(pairs, _transcripts(transcripts_beside(path)))


def _refuse_two_symbols(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Two rows that say the same are one; two that differ leave open what the gene is called."""
    symbol_of: dict[str, str] = {}
    differing: dict[str, tuple[str, str]] = {}
    for gene, symbols in pairs:
        own = symbols.split("|")[0]
        first = symbol_of.setdefault(gene, own)
        if own != first:
            differing.setdefault(gene, (first, own))
    if differing:
        gene, (one, other) = next(iter(differing.items()))
        others = f", and {len(differing) - 1} others" if len(differing) > 1 else ""
        what = f"has {gene} on two rows, as {short(one)!r} and as {short(other)!r}{others}"
        raise GeneError(path, what, "keep one row a gene, with its synonyms after the symbol, as `A|B`")


def _transcripts(path: Path) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    header, *rows = csv_rows(path) or [[]]
    if "transcript" not in header or "ensembl" not in header:
        raise GeneError(
            path, "lacks a column `transcript` or `ensembl`", "make it with `rnalearner annotation`"
        )
    transcript, gene = header.index("transcript"), header.index("ensembl")
    width = max(transcript, gene)
    return {row[transcript].strip(): without_version(row[gene].strip()) for row in rows if len(row) > width}
