"""recount3's metadata tables: one row a run, matched to the gene file's runs. Shapes: n runs."""

from pathlib import Path

import pandas as pd

from rnalearner.counts.coverage import DOWNLOAD, text_lines
from rnalearner.errors import CountsError

RESERVED = ("study", "modality", "total", "n_expressed", "total_coverage", "factor", "other_attributes")
"""Columns of obs that a sample attribute may not take; there it is called `sra_<name>`."""


def columns(path: Path, needed: tuple[str, ...], wished: str | None = None) -> dict[str, list[str]]:
    """These columns of a metadata table, all cells as text; one that is `wished` for may be missing, and
    is empty then. Raises CountsError where a needed one is.
    """
    # Split by hand: a table of a dozen lines takes pandas longer than the file's counts.
    rows = [line.split("\t") for line in text_lines(path)]
    header = rows[0] if rows else []
    for column in needed:
        if column not in header:
            raise CountsError(path, f"has no column {column}", DOWNLOAD)
    taken = [column for column in (*needed, wished) if column in header]
    places = [header.index(column) for column in taken]
    body = [row for row in rows[1:] if row != [""]]
    for row in body:
        row += [""] * (len(header) - len(row))
    found = {column: [row[at] for row in body] for column, at in zip(taken, places, strict=True)}
    return found if wished is None else {wished: [""] * len(body)} | found


def in_order(table: dict[str, list[str]], runs: list[str], path: Path, genes: Path) -> dict[str, list[str]]:
    """The table's rows in the order of the gene file's runs, each once."""
    row_of: dict[str, int] = {}
    for row, run in enumerate(table["external_id"]):
        row_of.setdefault(run, row)
    here = set(runs)
    for run in sorted(here - row_of.keys())[:1]:
        raise CountsError(path, f"run {run} of {genes.name} is not in this table", DOWNLOAD)
    for run in sorted(row_of.keys() - here)[:1]:
        raise CountsError(genes, f"run {run} of {path.name} has no column here", DOWNLOAD)
    rows = [row_of[run] for run in runs]
    return {column: [cells[row] for row in rows] for column, cells in table.items()}


def sample_attributes(runs: list[str], attributes: list[str]) -> pd.DataFrame:
    """SRA's `key;;value|key;;value` as columns, absent ones ""; a sample is its own subject by default."""
    rows = []
    for run, text in zip(runs, attributes, strict=True):
        row = {"subject": run, "tissue": "", "label": ""}
        for pair in text.split("|"):
            key, separator, value = pair.partition(";;")
            name = key.strip().lower()
            if separator and name:
                row[f"sra_{name}" if name in RESERVED else name] = value.strip()
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(runs)).fillna("")
