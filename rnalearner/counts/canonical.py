"""Gene names of a file -> Ensembl ids without version; rows that are no genes go.

Shapes: n samples, r rows of the file, g genes.
"""

import heapq
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnalearner.counts.genes import ENSEMBL, TRANSCRIPT, GeneTable, kind_of, plain_name, species_of
from rnalearner.counts.layouts import MISSING
from rnalearner.counts.opening import short
from rnalearner.counts.other_names import UNDO_DATES, dates, kind_of_names
from rnalearner.errors import GeneError

# Rows beside the genes: HTSeq's and STAR's tails, ERCC spike-ins (which no animal expresses), and sums.
NOT_GENES = re.compile(
    r"__.+|N_(unmapped|multimapping|noFeature|ambiguous)|ERCC-\d+"
    r"|no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique"
    r"|(?i:(grand |column )?(totals?|sums?)|library[ _.]?sizes?)"
)
UNNAMED = MISSING | {"-", "--", "."}
ENOUGH = 0.5
"""With fewer of its names resolved, a table is of another species or annotation."""


@dataclass(frozen=True)
class Canonical:
    """Gene `ids[j]` is the sum of the rows in `groups[j]`."""

    ids: list[str]
    groups: list[list[int]]
    report: dict[str, Any]


def gene_rows(names: Sequence[str]) -> np.ndarray:
    """Which rows are genes at all, bool r."""
    return np.array([NOT_GENES.fullmatch(name) is None for name in names], dtype=bool)


def canonical(path: Path, names: Sequence[str], genes: GeneTable | None) -> Canonical:
    """Resolve names; versions, PAR_Y copies, transcripts and synonyms of one gene form one group.

    Raises GeneError for a name that occurs twice, for symbols and transcripts without a table that
    knows them, where names and table are of two species, and where fewer than half of the names resolve.
    """
    named = [name for name in names if name not in UNNAMED]
    _refuse_repeated(path, named)
    plain = [plain_name(name) for name in names]
    matches = [ENSEMBL.fullmatch(name) for name in plain]
    n_ensembl = sum(match is not None for match in matches)
    others = [name for name, match in zip(plain, matches, strict=True) if match is None]
    transcripts = {name: match[1] for name in others if (match := TRANSCRIPT.fullmatch(name)) is not None}
    if transcripts and (genes is None or not genes.gene_of_transcript):
        what = f"{len(transcripts)} of its rows are transcripts (first: {next(iter(transcripts))})"
        raise GeneError(
            path, what, "give as `data.genes` the GTF, or what `rnalearner annotation` made of it"
        )
    by_symbol = n_ensembl + len(transcripts) < len(named) / 2
    if by_symbol and genes is None:
        shown = ", ".join(map(short, named[:3]))
        if (kind := kind_of_names(named)) is not None:
            raise GeneError(path, f"names its genes by {kind[0]} (first: {shown})", kind[1])
        what = f"its genes are not Ensembl ids (first: {shown})"
        raise GeneError(path, what, "where these are symbols, give the table `data.genes` that knows them")

    found: dict[str, str | None] = {}
    ambiguous: list[str] = []
    other_case: list[str] = []
    if genes is not None:
        found = {name: genes.gene_of_transcript.get(gene) for name, gene in transcripts.items()}
        symbols = [name for name in others if name not in transcripts]
        resolved = genes.resolve(symbols)
        found |= dict(zip(symbols, resolved.ids, strict=True))
        ambiguous = resolved.ambiguous
        other_case = [name for name in symbols if found[name] is not None and not genes.knows(name)]
    ids = [
        match[1] if match is not None else found.get(name) for name, match in zip(plain, matches, strict=True)
    ]
    rows_of: dict[str, list[int]] = {}
    for row, gene in enumerate(ids):
        if gene is not None:
            rows_of.setdefault(gene, []).append(row)
    unmatched = [name for name, gene in zip(names, ids, strict=True) if gene is None]
    n_matched = len(ids) - len(unmatched)
    if n_matched < ENOUGH * len(ids):
        what = (
            f"only {n_matched} of {len(ids)} genes are known; {', '.join(map(short, unmatched[:3]))} are not"
        )
        if (kind := kind_of_names(unmatched)) is not None:
            raise GeneError(path, f"{what}: they are {kind[0]}", kind[1])
        if ambiguous:
            what += f" ({len(ambiguous)} name several genes, {short(ambiguous[0])} for one)"
        raise GeneError(path, what, "check the species and the table `data.genes`")
    _refuse_other_species(path, rows_of, genes)

    summed = [gene for gene, rows in rows_of.items() if len(rows) > 1]
    versioned = any(match is not None and match[2] for match in matches)
    by_id = "ensembl_version" if versioned else "ensembl"
    report = {
        "id_type": "symbol" if by_symbol else "transcript" if len(transcripts) > n_ensembl else by_id,
        "n_genes": len(ids),
        "n_matched": n_matched,
    }
    for name, some in (
        ("unmatched", unmatched),
        ("ambiguous", ambiguous),
        ("summed", summed),
        ("dates", dates(unmatched, len(names))),
        ("other_case", other_case),
    ):
        report |= {f"n_{name}": len(some), name: some[:10]}
    if genes is not None:
        # Of the table: what this file does not measure, and what no symbol can name.
        missing = genes.ids - rows_of.keys()
        report |= {"n_missing": len(missing), "missing": heapq.nsmallest(10, missing)}
        shared = genes.shared_symbols
        report |= {"n_shared_symbols": len(shared), "shared_symbols": shared[:10]}
    return Canonical(list(rows_of), list(rows_of.values()), report)


def _refuse_repeated(path: Path, named: Sequence[str]) -> None:
    if len(set(named)) == len(named):
        return
    repeated = [name for name, n in Counter(named).items() if n > 1]
    if turned := dates(repeated, len(named)):
        what = f"gene {short(turned[0])} occurs twice: a spreadsheet has turned names of genes into dates"
        raise GeneError(path, what, UNDO_DATES)
    others = f", and {len(repeated) - 1} other genes do" if len(repeated) > 1 else ""
    what = f"gene {short(repeated[0])} occurs twice{others}"
    raise GeneError(path, what, "keep one row a gene, or name the rows by Ensembl ids")


def _refuse_other_species(path: Path, ids: Collection[str], genes: GeneTable | None) -> None:
    if genes is None or any(gene in genes.ids for gene in ids):
        return
    here, there = list(ids)[:1000], sorted(genes.ids)
    if species_of(here) != species_of(there[:1000]):
        what = f"holds {kind_of(here)} where the table `data.genes` holds {kind_of(there)}"
        raise GeneError(path, what, "give the table of genes of the same species")


def sum_groups(counts_nr: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    """Counts of each group of rows, float32 n x g."""
    order = [row for rows in groups for row in rows]
    if len(order) == len(groups):
        return np.ascontiguousarray(counts_nr[:, order], dtype=np.float32)
    starts = np.cumsum([0, *(len(rows) for rows in groups[:-1])])
    return np.add.reduceat(counts_nr[:, order], starts, axis=1, dtype=np.float64).astype(np.float32)
