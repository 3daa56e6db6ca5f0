"""Genes of one species and the same genes of another, one to one."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnalearner.counts.genes import csv_rows, kind_of, without_version
from rnalearner.errors import GeneError

_GIVE = "give a CSV with a column of these names and one of those Ensembl ids"


def one_to_one(
    path: Path, names: Sequence[str], wanted: Collection[str]
) -> tuple[Mapping[str, str | None], dict[str, Any]]:
    """Name -> `wanted` gene, through the two columns of the CSV that hold most of either.

    Names with several genes, and genes with several names, are left out and reported. Raises GeneError
    where the table holds none of the names, or none of the genes.
    """
    header, *rows = csv_rows(path) or [[]]
    if len(header) < 2:
        raise GeneError(path, "has fewer than two columns", _GIVE)
    rows = [row for row in rows if len(row) == len(header)]
    columns = [[without_version(row[c].strip()) for row in rows] for c in range(len(header))]
    gene_column = _best(columns, set(wanted))
    if gene_column is None:
        raise GeneError(path, f"holds none of the genes of this run, {kind_of(sorted(wanted))}", _GIVE)
    rest = [column if c != gene_column else [] for c, column in enumerate(columns)]
    name_column = _best(rest, set(names))
    if name_column is None:
        raise GeneError(path, f"holds none of the names of the vectors, {kind_of(names)}", _GIVE)
    pairs = {(n, g) for n, g in zip(columns[name_column], columns[gene_column], strict=True) if n and g}
    n_of_name, n_of_gene = Counter(n for n, _ in pairs), Counter(g for _, g in pairs)
    several = sorted({n for n, g in pairs if n_of_name[n] > 1 or n_of_gene[g] > 1})
    gene_of: dict[str, str | None] = {n: g for n, g in pairs if n_of_name[n] == 1 and n_of_gene[g] == 1}
    report = {
        "orthologs": str(path),
        "columns": [header[name_column], header[gene_column]],
        "n_not_one_to_one": len(several),
        "not_one_to_one": several[:10],
    }
    return gene_of, report


def _best(columns: Sequence[Sequence[str]], known: set[str]) -> int | None:
    """The column with most known values; None where there is none."""
    shared = [len(known & set(column)) for column in columns]
    return shared.index(max(shared)) if max(shared, default=0) else None
