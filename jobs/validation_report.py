"""What a table of counts and its sheet hold, before anything is asked of them; and both in canonical form.

Shapes: n samples, g genes.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from rnalearner.counts.genes import GeneSet, GeneTable
from rnalearner.counts.opening import short
from rnalearner.counts.parquet import write_canonical
from rnalearner.counts.read import judged, read_raw
from rnalearner.counts.sheet import as_text, attach_sheet, read_sheet, write_sheet
from rnalearner.errors import CountsError, GeneError
from rnalearner.finetune.leaks import NEAR_DUPLICATE
from rnalearner.layout import PublishedModel
from rnalearner.preprocessing.normalize import log2p1_cpm
from service.schemas.datasets import DatasetReport, SheetColumn

_MOST_SAMPLES, _MOST_COLUMNS, _MOST_VALUES, _MOST_LETTERS = 1000, 200, 50, 200
_FEW_SHARED = 0.5
_COUNTED = ("total", "n_expressed")
"""Columns of obs that reading adds."""
_LABELS = (
    "label",
    "group",
    "condition",
    "treatment",
    "class",
    "phenotype",
    "diagnosis",
    "status",
    "genotype",
)
_SUBJECTS = re.compile(
    r"(subject|animal|mouse|donor|patient|individual)(_?(id|name|number|no))?", re.IGNORECASE
)


def report_on(
    table: Path, sheet: Path | None, genes: GeneTable | None, models: Path | None, out: Path
) -> DatasetReport:
    """Everything that `read_counts` and the sheet tell; raises their errors.

    `out` gets `counts.parquet` and, where anything is known of the samples, `labels.parquet`: all that jobs
    read of an upload.
    """
    raw = read_raw(table, genes)
    samples = judged(raw, genes)
    if samples.obs["total"].max() == 0:
        raise CountsError(table, "holds no read: every count is 0", "give the counts of sequenced samples")
    empty = samples.obs_names[samples.obs["total"] == 0]
    if len(empty):
        raise CountsError(table, f"sample {short(str(empty[0]))} has no read", "leave it out")
    lacking: list[str] = []
    own = [str(name) for name in samples.obs if name not in _COUNTED]
    known = samples.obs[own] if own else None
    if sheet is not None:
        listed = read_sheet(sheet)
        attach_sheet(samples, listed, sheet)
        known = listed if known is None else samples.obs.drop(columns=[*_COUNTED])
        n_found = samples.n_obs - len(samples.uns["read_report"]["not_in_sheet"])
        if n_found < len(listed):
            lacking = [f"The sheet lists {len(listed) - n_found} samples that the table does not have."]
    write_canonical(raw, out / "counts.parquet")
    if known is not None:
        write_sheet(known, out / "labels.parquet")
    found = samples.uns["read_report"]
    named = [str(name) for name in samples.obs if name not in _COUNTED]
    named = [name for name in named if 0 < len(name) <= _MOST_LETTERS][:_MOST_COLUMNS]
    columns = [sheet_column(name, samples.obs[name]) for name in named]
    pairs = duplicates(samples)
    report = DatasetReport(
        n_samples=samples.n_obs,
        n_genes=samples.n_vars,
        samples=_shown(samples.obs_names),
        orientation="columns" if found["orientation"] == "samples x genes" else "rows",
        id_type=found["id_type"],
        n_matched=found["n_matched"],
        share_matched=found["n_matched"] / found["n_genes"],
        models=shares_measured(samples.var_names, models),
        integer=not found["fractional"],
        n_duplicates=len(pairs),
        duplicates=[(_shown([one])[0], _shown([two])[0]) for one, two in pairs[:10]],
        total_min=float(samples.obs["total"].min()),
        total_max=float(samples.obs["total"].max()),
        columns=columns,
        label_column=label_column(columns),
        subject_column=subject_column(columns),
        not_in_sheet=_shown(found.get("not_in_sheet", [])),
        notes=[],
    )
    return report.model_copy(update={"notes": [*notes(report, found), *lacking]})


def sheet_column(name: str, values_n: pd.Series) -> SheetColumn:
    """How many samples have each value; an empty cell is no value."""
    texts = as_text(values_n)
    numbers = texts[texts != ""].value_counts()
    shown = [(str(value), int(number)) for value, number in numbers.items()]
    some = {_clean(value): number for value, number in shown if len(value) <= _MOST_LETTERS}
    some = dict(list(some.items())[:_MOST_VALUES])
    return SheetColumn(name=_clean(name), values=some, n_values=len(numbers))


def label_column(columns: Sequence[SheetColumn]) -> str | None:
    """The column that looks like the groups: best by its name, else the first that could be."""
    could_be = [
        column
        for column in columns
        if sum(number >= 2 for number in column.values.values()) >= 2 and not _SUBJECTS.fullmatch(column.name)
    ]
    by_name = {column.name.casefold(): column.name for column in could_be}
    named = next((by_name[word] for word in _LABELS if word in by_name), None)
    whole = (column.name for column in could_be if min(column.values.values()) >= 2)
    return named or next(whole, None) or next((column.name for column in could_be), None)


def subject_column(columns: Sequence[SheetColumn]) -> str | None:
    """The column that says which animal a sample is from."""
    names = [column.name for column in columns if _SUBJECTS.fullmatch(column.name)]
    return "subject" if "subject" in names else next(iter(names), None)


def shares_measured(gene_ids: Iterable[str], models: Path | None) -> dict[str, float]:
    """Published model -> share of its genes among `gene_ids`; a damaged model is the operator's matter."""
    measured, shares = set(gene_ids), {}
    for folder in sorted(models.iterdir()) if models is not None and models.is_dir() else []:
        model = PublishedModel(folder)
        if not model.card.is_file():
            continue
        try:
            ids = GeneSet.from_file(model.genes).ids
        except GeneError:
            continue
        shares[folder.name] = sum(gene in measured for gene in ids) / len(ids)
    return shares


def duplicates(samples: anndata.AnnData) -> list[tuple[str, str]]:
    """Pairs, of the first 1,000 samples, whose profiles of log2 CPM correlate above NEAR_DUPLICATE."""
    some = samples[:_MOST_SAMPLES]
    x_ng = log2p1_cpm(np.asarray(some.layers["counts"]), some.obs["total"].to_numpy())
    x_ng -= x_ng.mean(axis=1, keepdims=True)
    x_ng /= np.maximum(np.linalg.norm(x_ng, axis=1, keepdims=True), 1e-12)
    rows, others = np.nonzero(np.triu(x_ng @ x_ng.T > NEAR_DUPLICATE, k=1))
    names = list(some.obs_names)
    return [(names[i], names[j]) for i, j in zip(rows, others, strict=True)]


def notes(report: DatasetReport, found: dict[str, Any]) -> list[str]:
    """What its owner should know, as sentences."""
    said: list[str] = []
    if not report.integer:
        share = found["fractional_share"]
        said.append(f"{share:.1%} of the counts are not whole; they are taken as expected counts (RSEM).")
    if report.id_type == "symbol":
        known = f"{report.n_matched} of {found['n_genes']} have one Ensembl id"
        several = f", {found['n_ambiguous']} name several genes" if found["n_ambiguous"] else ""
        said.append(f"Genes are named by symbols: {known}{several}.")
    elif found["n_unmatched"]:
        shown = ", ".join(short(name) for name in found["unmatched"][:3])
        said.append(f"{found['n_unmatched']} rows are no known genes and are left out (first: {shown}).")
    if found["n_summed"]:
        said.append(f"{found['n_summed']} genes stand in several rows, which are summed.")
    if found.get("columns_left_out"):
        shown = ", ".join(short(name) for name in found["columns_left_out"][:3])
        said.append(f"Columns that are no samples are left out (first: {shown}).")
    if report.n_duplicates:
        one, two = report.duplicates[0]
        said.append(f"{report.n_duplicates} pairs of samples are nearly alike, {one} and {two} for one.")
    for model, share in report.models.items():
        if share < _FEW_SHARED:
            said.append(f"The table measures only {share:.0%} of the genes of the model {model}.")
    return [_clean(sentence) for sentence in [*said, *_notes_on_groups(report, found)]]


def _notes_on_groups(report: DatasetReport, found: dict[str, Any]) -> list[str]:
    said: list[str] = []
    unlisted = found.get("not_in_sheet", [])
    if unlisted:
        shown = ", ".join(short(name) for name in unlisted[:3])
        said.append(f"{len(unlisted)} samples are not in the sheet (first: {shown}).")
    near = found.get("sheet", {}).get("near", [])
    said += [f"{pair}: names must be the same to match." for pair in near[:3]]
    label = next((column for column in report.columns if column.name == report.label_column), None)
    if label is None and report.columns:
        said.append("No column has two groups of two samples each, which training needs.")
    alone = [value for value, number in label.values.items() if number == 1] if label is not None else []
    if label is not None and alone:
        said.append(
            f"Only one sample has {', '.join(map(short, alone[:3]))} in the column {short(label.name)}."
        )
    if report.subject_column not in (None, "subject"):
        said.append(
            f"Rename the column {short(str(report.subject_column))} to subject to keep animals apart."
        )
    return said


def _shown(names: Iterable[str]) -> list[str]:
    return [_clean(name) for name in list(names)[:_MOST_SAMPLES]]


def _clean(name: str) -> str:
    """Bounded, and text that JSON and both databases can hold."""
    return str(name)[:_MOST_LETTERS].encode(errors="replace").decode().replace("\0", "\ufffd")
