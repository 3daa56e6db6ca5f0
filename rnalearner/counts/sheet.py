"""A sheet of labels: which sample is what."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import anndata
import pandas as pd

from rnalearner.counts.genes import first_repeated
from rnalearner.counts.opening import open_text, short
from rnalearner.errors import LabelError


def read_sheet(path: Path) -> pd.DataFrame:
    """A CSV or TSV as text, "" where a cell is empty, indexed by column `sample` or else the first.

    A sample may be listed again for another `study`. Raises LabelError where it is otherwise listed
    twice, CountsError where the file is missing or damaged.
    """
    path = Path(path)
    with open_text(path) as file:
        text = file.read().decode("utf-8-sig")
    first_line = text.split("\n", 1)[0]
    delimiter = max("\t,;", key=first_line.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    if len(rows) < 2:
        raise LabelError(path, "is empty", "give a header and a line a sample")
    header, *lines = [[field.strip() for field in row] for row in rows]
    for line in lines:
        if len(line) != len(header):
            what = f"line of sample {short(line[0])} has {len(line)} fields, not {len(header)}"
            raise LabelError(path, what, "give every line as many fields as the header")
    repeated = first_repeated(header)
    if repeated is not None:
        raise LabelError(path, f"has two columns {short(repeated)!r}", "give every column a name of its own")
    sheet = pd.DataFrame(lines, columns=header, dtype=object)
    sheet = sheet.set_index("sample" if "sample" in header else header[0]).rename_axis("sample")
    by_study = zip(sheet.index, sheet["study"] if "study" in sheet else [""] * len(sheet), strict=True)
    repeated = first_repeated(f"{sample} of {study}" if study else sample for sample, study in by_study)
    if repeated is not None:
        raise LabelError(path, f"lists sample {short(repeated)} twice", "list every sample once")
    return sheet


def attach_sheet(samples: anndata.AnnData, sheet: pd.DataFrame, where: object) -> None:
    """Add the sheet's columns to `samples.obs`; a sample that it does not list gets "".

    Names are compared as they are and, where none agrees, as R rewrites them (`C57-6J` -> `C57.6J`).
    What was not listed goes into the read report. Raises LabelError naming `where` if no sample is
    listed.
    """
    names, listed = list(samples.obs_names), list(sheet.index)
    if not set(names) & set(listed):
        names, listed = _as_r(names), _as_r(listed)
    repeated = first_repeated(listed)
    if repeated is not None:
        raise LabelError(where, f"lists sample {short(repeated)} twice", "list every sample once")
    row_of = {sample: row for row, sample in enumerate(listed)}
    rows = [row_of.get(name) for name in names]
    if all(row is None for row in rows):
        what = f"lists {_some(sheet.index)}, and none of the samples, which are {_some(samples.obs_names)}"
        raise LabelError(where, what, "name the samples as the counts do")
    for column in sheet:
        values = sheet[column].tolist()
        # What was counted is not for a sheet to say.
        name = f"sheet_{column}" if column in ("total", "n_expressed") else column
        samples.obs[name] = [values[row] if row is not None else "" for row in rows]
    unlisted = [name for name, row in zip(samples.obs_names, rows, strict=True) if row is None]
    samples.uns.setdefault("read_report", {})["not_in_sheet"] = unlisted


def _as_r(names: Sequence[str]) -> list[str]:
    """As R's make.names does, so that both spellings meet: `143_a-b` and `X143_a.b` -> `143.a.b`."""
    return [re.sub(r"[^0-9A-Za-z]+", ".", re.sub(r"^X(?=\d)", "", name)) for name in names]


def _some(names: Iterable[str]) -> str:
    return ", ".join(short(name) for name in list(names)[:3])
