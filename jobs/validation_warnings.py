"""What the owner of a table should act on, each with its place and its remedy; and what is good to know."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jobs.validation_look import clean
from rnalearner.counts.opening import short
from rnalearner.counts.other_names import UNDO_DATES
from service.schemas.base import Fault
from service.schemas.datasets import DatasetReport, SheetColumn
from service.schemas.looks import DatasetLook

_FEW_SHARED, _FEW_KNOWN = 0.5, 0.8
_SMALL = 0.1
"""Of the median library: a sample that has less is pointed out."""
LABELS = (
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
"""What a column of labels is called, the likeliest first."""
_TECHNICAL = re.compile(
    r"(.*[\W_])?(batch|run|lane|plate|date|flow_?cell|sequenc(er|ing)|library|prep|cent(re|er)|operator"
    r"|technician|pool|kit|platform|instrument|protocol)(e?s)?([\W_\d].*)?",
    re.IGNORECASE,
)
"""Columns that say how a sample was handled, and not what it is."""
_DELIMITERS = {"\t": "tabs", ";": "semicolons", " ": "blanks"}
UNLABELLED = Fault(
    where="labels",
    what="nothing says which sample is in which group",
    remedy="give a sheet of labels, a line a sample; a table that is only predicted needs none",
)
"""Of a table without any sheet."""


class Pair(NamedTuple):
    """Two samples that are nearly alike."""

    one: str
    two: str
    correlation: float


def warnings_on(
    report: DatasetReport,
    found: Mapping[str, Any],
    total_n: pd.Series,
    label_n: pd.Series | None,
    pairs: Sequence[Pair],
    look: DatasetLook,
) -> list[Fault]:
    """On genes, samples, sheet and groups. `found`: what reading reports; `label_n`: each sample's label."""
    told = [
        *_on_genes(report, found),
        *_on_samples(total_n, pairs),
        *_on_sheet(report, found),
        *_on_groups(report, found, label_n),
        *_on_batches(report, look),
    ]
    return [Fault(where=clean(where), what=_sentence(what), remedy=remedy) for where, what, remedy in told]


Told = Iterator[tuple[str, str, str]]


def _on_genes(report: DatasetReport, found: Mapping[str, Any]) -> Told:
    if found["n_dates"]:
        what = f"{found['n_dates']} of them are dates ({_some(found['dates'])}): a spreadsheet changed them"
        yield "gene names", what, UNDO_DATES
    if report.id_type == "symbol" and found["n_other_case"] > report.n_matched / 2:
        what = (
            f"{found['n_other_case']} of {report.n_matched} known ones are known in another case only "
            f"({_some(found['other_case'])})"
        )
        remedy = "check the species: symbols of human genes are upper case, those of mice and rats are not"
        yield "gene symbols", what, remedy
    if report.share_matched < _FEW_KNOWN:
        what = f"only {report.share_matched:.0%} of them are known; {_some(found['unmatched'])} are not"
        yield "gene names", what, "check the species, and whether the annotation is a current one"
    for model, share in report.models.items():
        if share < _FEW_SHARED:
            what = f"the table measures only {share:.0%} of its genes"
            remedy = "choose another model, or count against the annotation of its species"
            yield f"model {model}", what, remedy


def _on_samples(total_n: pd.Series, pairs: Sequence[Pair]) -> Told:
    middle = float(np.median(total_n))
    small = total_n[total_n < _SMALL * middle]
    if len(small):
        reads = ", ".join(f"{total:,.0f}" for total in small.iloc[:3])
        what = f"far fewer reads than the others ({reads}): below a tenth of the median, {middle:,.0f}"
        yield _named("sample", list(small.index)), what, "leave it out, or sequence it deeper"
    if pairs:
        first = pairs[0]
        what = f"are nearly alike (log2 CPM correlate at {first.correlation:.5f})"
        if len(pairs) > 1:
            others = ", ".join(f"{pair.one} and {pair.two}" for pair in pairs[1:3])
            what += f", and so are {len(pairs) - 1} more pairs ({others})"
        remedy = "keep one of them if it is one library twice; else it would be learned and tested alike"
        yield f"samples {first.one} and {first.two}", what, remedy


def _on_sheet(report: DatasetReport, found: Mapping[str, Any]) -> Told:
    said = found.get("sheet", {})
    near = f"; {'; '.join(said['near'][:3])}" if said.get("near") else ""
    if report.not_in_sheet:
        what = f"it lacks {said['n_only_in_table']} of the samples: {_some(report.not_in_sheet)}{near}"
        yield "the sheet", what, "add a line for each, with the name that the table has"
    if said.get("n_only_in_sheet"):
        what = f"it lists {said['n_only_in_sheet']} samples that the table lacks: "
        what += f"{_some(said['only_in_sheet'])}{near}"
        yield "the sheet", what, "write their names as in the table, or leave their lines out"


def _on_groups(report: DatasetReport, found: Mapping[str, Any], label_n: pd.Series | None) -> Told:
    if report.subject_column not in (None, "subject"):
        what = "it names the animals, it seems, and is not taken to"
        remedy = "rename it to subject, so that samples of one animal are kept together"
        yield f"column {report.subject_column}", what, remedy
    if label_n is None:
        yield from _on_no_groups(
            report.columns, "the sheet" if "sheet" in found else "the table's own columns"
        )
        return
    where = f"column {report.label_column}"
    numbers = label_n[label_n != ""].value_counts()
    alone = [str(value) for value, number in numbers.items() if number == 1]
    if alone:
        samples = _some(label_n.index[label_n.isin(alone)])
        what = f"only one sample is {_some(alone)} ({samples})"
        yield where, what, "add samples of that group, or leave it out: it cannot be learned and tested"
    unlisted = set(found.get("not_in_sheet", []))
    unlabelled = [str(name) for name in label_n.index[label_n == ""] if name not in unlisted]
    if unlabelled:
        what = f"it is empty for {len(unlabelled)} samples: {_some(unlabelled)}"
        yield where, what, "fill in their cells: samples without a label are not learned from"
    for values in _alike_but_for_case(map(str, numbers.index)):
        what = f"it holds {' and '.join(map(short, values))}, which differ in case only and are two groups"
        yield where, what, "write them alike if they mean the same"


def _on_no_groups(columns: Sequence[SheetColumn], where: str) -> Told:
    """Why none of the columns, which stand there, is the label."""
    if not columns:
        return
    meant = next((column for column in columns if column.name.casefold() in LABELS), None)
    remedy = "give a column in which two groups or more have two samples or more each"
    if meant is None:
        names = _some(column.name for column in columns)
        yield where, f"no column ({names}) holds groups", remedy
    elif meant.n_values == 1:
        what = f"it holds one group only, {_some(meant.values)}"
        yield f"column {meant.name}", what, "add samples of another group to tell it from"
    elif meant.n_values == 0:
        yield f"column {meant.name}", "it is empty: no sample has a label", "fill it in"
    else:
        what = f"fewer than two of its groups ({_some(meant.values)}) have two samples"
        yield f"column {meant.name}", what, remedy


def _on_batches(report: DatasetReport, look: DatasetLook) -> Told:
    for grouping in look.groupings:
        if grouping.confounded and _TECHNICAL.fullmatch(grouping.name):
            what = f"it divides the samples just as {report.label_column} does: the two cannot be told apart"
            remedy = "have samples of each group in each batch; no analysis undoes this"
            yield _grouping(grouping.name), what, remedy
        if grouping.name == look.batch:
            what = (
                f"it keeps samples apart as a batch does: {grouping.share:.0%} of what separates them beyond "
                f"{report.label_column} goes along with it ({_some(dict.fromkeys(grouping.values))})"
            )
            remedy = "see that each of its groups has samples of each label, and test on another batch"
            yield _grouping(grouping.name), what, remedy


def notes_on(
    report: DatasetReport, found: Mapping[str, Any], understood: Sequence[str], look: DatasetLook
) -> list[str]:
    """How table and sheet were understood, as sentences."""
    said: list[str] = []
    if report.orientation == "columns":
        said.append("Samples are in rows and genes in columns; the table is read that way round.")
    if (delimiter := found.get("delimiter")) in _DELIMITERS:
        said.append(f"The table's columns are separated by {_DELIMITERS[delimiter]}.")
    if above := found.get("lines_left_out"):
        said.append(f"{len(above)} lines above the header are left out (first: {above[0]}).")
    if found["n_rows_left_out"]:
        rows = _some(found["rows_left_out"])
        said.append(f"{found['n_rows_left_out']} rows that count no gene are left out ({rows}).")
    if not report.integer:
        share = found["fractional_share"]
        said.append(f"{share:.1%} of the counts are not whole; they are taken as expected counts (RSEM).")
    if report.id_type == "ensembl_version":
        said.append("Versions of the Ensembl ids are left off.")
    if report.id_type == "symbol":
        known = f"{report.n_matched} of {found['n_genes']} have one Ensembl id"
        several = f", {found['n_ambiguous']} name several genes" if found["n_ambiguous"] else ""
        said.append(f"Genes are named by symbols: {known}{several}.")
    elif found["n_unmatched"]:
        rows = _some(found["unmatched"])
        said.append(f"{found['n_unmatched']} rows are no known genes and are left out (first: {rows}).")
    if found["n_summed"]:
        said.append(f"{found['n_summed']} genes stand in several rows, which are summed.")
    if found.get("columns_left_out"):
        columns = _some(found["columns_left_out"])
        said.append(f"Columns that are no samples are left out (first: {columns}).")
    said += understood
    if found.get("sheet", {}).get("matched") == "as R rewrites names":
        said.append("Samples of table and sheet are matched as R rewrites their names.")
    return [_sentence(text) for text in [*said, *_notes_on_groups(report, look)]]


def _notes_on_groups(report: DatasetReport, look: DatasetLook) -> Iterator[str]:
    label = next((column for column in report.columns if column.name == report.label_column), None)
    if label is not None and all(re.fullmatch(r"-?\d+(\.\d+)?", value) for value in label.values):
        groups = _some(label.values)
        yield f"The numbers in column {short(label.name)} are taken as names of groups ({groups})."
    for grouping in look.groupings:
        if grouping.confounded and not _TECHNICAL.fullmatch(grouping.name):
            yield f"Column {short(grouping.name)} divides the samples just as {report.label_column} does."


def _alike_but_for_case(values: Iterable[str]) -> list[list[str]]:
    by_case: dict[str, list[str]] = {}
    for value in values:
        by_case.setdefault(value.casefold(), []).append(value)
    return [sorted(alike) for alike in by_case.values() if len(alike) > 1]


def _grouping(name: str) -> str:
    return name if name.endswith("of the names") else f"column {name}"


def _named(kind: str, names: Sequence[Any]) -> str:
    return f"{kind} {short(str(names[0]))}" if len(names) == 1 else f"{kind}s {_some(names)}"


def _some(names: Iterable[Any]) -> str:
    shown = [short(str(name)) for name in names]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")


def _sentence(text: str) -> str:
    """Longer than a name may be, and as harmless."""
    return text[:600].encode(errors="replace").decode().replace("\0", "\ufffd")
