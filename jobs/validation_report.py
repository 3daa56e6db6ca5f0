"""What a table of counts and its sheet hold, before anything is asked of them; and both in canonical form.

Shapes: n samples, g genes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata
import pandas as pd

from jobs.validation_look import COUNTED, MOST_LETTERS, MOST_SAMPLES, clean, look_at
from jobs.validation_warnings import LABELS, UNLABELLED, Pair, notes_on, warnings_on
from rnalearner.clustering.glance import nearly_alike, similarity
from rnalearner.counts.genes import GeneSet, GeneTable
from rnalearner.counts.opening import short
from rnalearner.counts.parquet import write_canonical
from rnalearner.counts.read import judged, read_raw
from rnalearner.counts.sheet import as_text, attach_sheet, read_sheet, write_sheet
from rnalearner.counts.text import RawCounts
from rnalearner.errors import CountsError, GeneError
from rnalearner.finetune.leaks import NEAR_DUPLICATE
from rnalearner.layout import PublishedModel
from rnalearner.publish import write_text
from service.schemas.datasets import DatasetReport, SheetColumn

_MOST_COLUMNS, _MOST_VALUES, _MOST_PAIRS = 200, 50, 10
_SUBJECTS = re.compile(
    r"(subject|animal|mouse|donor|patient|individual)(_?(id|name|number|no))?", re.IGNORECASE
)


@dataclass
class Upload:
    """A table that was read, and perhaps its sheet."""

    raw: RawCounts
    samples: anndata.AnnData
    known: pd.DataFrame | None
    """What is known of the samples, a row each; of those in the sheet alone, too, where it says it all."""
    understood: Sequence[str] = ()
    """How the sheet was read, where that was not as it might be."""
    is_sheet_refused: bool = False


def read_table(table: Path, genes: GeneTable | None) -> Upload:
    """Raises what `read_counts` raises, and CountsError where a sample has no read."""
    raw = read_raw(table, genes)
    samples = judged(raw, genes)
    if samples.obs["total"].max() == 0:
        raise CountsError(table, "holds no read: every count is 0", "give the counts of sequenced samples")
    empty = samples.obs_names[samples.obs["total"] == 0]
    if len(empty):
        what = f"sample {short(str(empty[0]))} has no read: all of its counts are 0"
        raise CountsError(table, what, "leave it out")
    own = [name for name in samples.obs if name not in COUNTED]
    return Upload(raw, samples, samples.obs[own] if own else None)


def give_sheet(upload: Upload, path: Path) -> None:
    """Add what the sheet says of the samples; raises what reading it raises, and then adds nothing."""
    samples, upload.is_sheet_refused = upload.samples, True
    listed = read_sheet(path, list(samples.obs_names))
    attach_sheet(samples, listed, path)
    upload.known = listed if upload.known is None else samples.obs.drop(columns=[*COUNTED])
    upload.understood, upload.is_sheet_refused = listed.attrs["understood"], False


def describe(upload: Upload, models: Path | None, out: Path) -> DatasetReport:
    """Everything that reading told, and what a first look tells.

    `out` gets `look.json`, `counts.parquet` and, where anything is known of the samples, `labels.parquet`:
    all that jobs and pages read of an upload.
    """
    samples = upload.samples
    write_canonical(upload.raw, out / "counts.parquet")
    if upload.known is not None:
        write_sheet(upload.known, out / "labels.parquet")
    found = samples.uns["read_report"]
    named = [str(name) for name in samples.obs if name not in COUNTED]
    named = [name for name in named if 0 < len(name) <= MOST_LETTERS][:_MOST_COLUMNS]
    columns = [sheet_column(name, samples.obs[name]) for name in named]
    column_of = {column.name: name for column, name in zip(columns, named, strict=True)}
    label, subject = label_column(columns), subject_column(columns)
    some = samples[:MOST_SAMPLES]
    alike = similarity(some.layers["counts"], some.obs["total"].to_numpy())
    look = look_at(some, alike, column_of.get(label or ""), column_of.get(subject or ""))
    write_text(out / "look.json", look.model_dump_json())
    pairs = [
        Pair(look.samples[one], look.samples[two], float(alike.correlation_nn[one, two]))
        for one, two in nearly_alike(alike, NEAR_DUPLICATE)
    ]
    report = DatasetReport(
        n_samples=samples.n_obs,
        n_genes=samples.n_vars,
        samples=look.samples,
        orientation="columns" if found["orientation"] == "samples x genes" else "rows",
        id_type=found["id_type"],
        n_matched=found["n_matched"],
        share_matched=found["n_matched"] / found["n_genes"],
        models=shares_measured(samples.var_names, models),
        integer=not found["fractional"],
        n_duplicates=len(pairs),
        duplicates=[(pair.one, pair.two) for pair in pairs[:_MOST_PAIRS]],
        total_min=float(samples.obs["total"].min()),
        total_max=float(samples.obs["total"].max()),
        columns=columns,
        label_column=label,
        subject_column=subject,
        not_in_sheet=[clean(name) for name in found.get("not_in_sheet", [])[:MOST_SAMPLES]],
        notes=[],
    )
    labels = as_text(samples.obs[column_of[label]]) if label is not None else None
    warnings = warnings_on(report, found, samples.obs["total"], labels, pairs, look)
    if upload.known is None and not upload.is_sheet_refused:
        warnings.append(UNLABELLED)
    told = {
        "warnings": warnings,
        "notes": notes_on(report, found, upload.understood, look),
    }
    return report.model_copy(update=told)


def sheet_column(name: str, values_n: pd.Series) -> SheetColumn:
    """How many samples have each value; an empty cell is no value."""
    texts = as_text(values_n)
    numbers = texts[texts != ""].value_counts()
    shown = [(str(value), int(number)) for value, number in numbers.items()]
    some = {clean(value): number for value, number in shown if len(value) <= MOST_LETTERS}
    some = dict(list(some.items())[:_MOST_VALUES])
    return SheetColumn(name=clean(name), values=some, n_values=len(numbers))


def label_column(columns: Sequence[SheetColumn]) -> str | None:
    """The column that looks like the groups: best by its name, else the first that could be."""
    could_be = [
        column
        for column in columns
        if sum(number >= 2 for number in column.values.values()) >= 2 and not _SUBJECTS.fullmatch(column.name)
    ]
    by_name = {column.name.casefold(): column.name for column in could_be}
    named = next((by_name[word] for word in LABELS if word in by_name), None)
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
