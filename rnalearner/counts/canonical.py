"""Gene names of a file -> Ensembl ids without version; rows that are no genes go.

Shapes: n samples, r rows of the file, g genes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnalearner.counts.genes import ENSEMBL, GeneTable, first_repeated
from rnalearner.counts.layouts import MISSING
from rnalearner.counts.opening import short
from rnalearner.errors import GeneError

# Rows beside the genes: HTSeq's and STAR's tails, and ERCC spike-ins (which no animal expresses).
NOT_GENES = re.compile(
    r"__.+|N_(unmapped|multimapping|noFeature|ambiguous)|ERCC-\d+"
    r"|no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique"
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
    """Resolve names; versions, PAR_Y copies and synonyms of one gene form one group.

    Raises GeneError for a name that occurs twice, for symbols without a table, and where fewer than
    half of the names resolve.
    """
    named = [name for name in names if name not in UNNAMED]
    repeated = first_repeated(named)
    if repeated is not None:
        remedy = "keep one row a gene, or name the rows by Ensembl ids"
        raise GeneError(path, f"gene {short(repeated)} occurs twice", remedy)
    matches = [ENSEMBL.fullmatch(name) for name in names]
    n_ensembl = sum(match is not None for match in matches)
    by_symbol = n_ensembl < len(named) / 2
    if by_symbol and genes is None:
        what = f"its genes are not Ensembl ids (first: {', '.join(map(short, named[:3]))})"
        raise GeneError(path, what, "where these are symbols, give the table `data.genes` that knows them")
    versioned = any(match is not None and match[2] for match in matches)

    symbols = [name for name, match in zip(names, matches, strict=True) if match is None]
    resolved = genes.resolve(symbols) if genes is not None else None
    of_symbols = iter(resolved.ids if resolved is not None else [None] * len(symbols))
    ids = [match[1] if match is not None else next(of_symbols) for match in matches]

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
        raise GeneError(path, what, "check the species and the table `data.genes`")
    summed = [gene for gene, rows in rows_of.items() if len(rows) > 1]
    ambiguous = resolved.ambiguous if resolved is not None else []
    report = {
        "id_type": "symbol" if by_symbol else "ensembl_version" if versioned else "ensembl",
        "n_genes": len(ids),
        "n_matched": n_matched,
        "n_unmatched": len(unmatched),
        "unmatched": unmatched[:10],
        "n_ambiguous": len(ambiguous),
        "ambiguous": ambiguous[:10],
        "n_summed": len(summed),
        "summed": summed[:10],
    }
    return Canonical(list(rows_of), list(rows_of.values()), report)


def sum_groups(counts_nr: np.ndarray, groups: list[list[int]]) -> np.ndarray:
    """Counts of each group of rows, float32 n x g; nearly every group is one row."""
    counts_ng = np.ascontiguousarray(counts_nr[:, [rows[0] for rows in groups]], dtype=np.float32)
    for gene, rows in enumerate(groups):
        if len(rows) > 1:
            counts_ng[:, gene] = counts_nr[:, rows].sum(axis=1)
    return counts_ng
