"""A text table of counts as it is written: names and numbers, no judgement yet.

Shapes: r rows and c count columns of the file.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnalearner.counts.bounds import MOST_LINES
from rnalearner.counts.genes import GeneTable
from rnalearner.counts.layouts import (
    DECIMAL_COMMA,
    MISSING,
    NUMBER,
    PLAIN_NUMBERS,
    THOUSANDS,
    Layout,
    detect,
)
from rnalearner.counts.opening import open_text, short
from rnalearner.errors import CountsError

SAME_WIDTH = "quote fields that hold the delimiter, and give every row the same number of fields"


@dataclass
class RawCounts:
    """Samples x genes with the names of the file: made by a reader of one format, judged by read.py."""

    path: Path
    counts_ng: np.ndarray
    samples: list[str]
    genes: list[str]
    orientation: str
    obs: pd.DataFrame | None = None
    """Columns that came with the samples; None where the format has none."""
    notes: dict[str, Any] = field(default_factory=dict)


def read_text(path: Path, genes: GeneTable | None) -> RawCounts:
    """Parse a CSV or TSV; raises CountsError naming the row and the column that is no number."""
    layout = detect(path, genes)
    columns = [layout.columns[c].strip() for c in layout.numbers]
    notes = {
        "columns_left_out": [name for name in layout.left_out if name],
        "lines_left_out": list(layout.above),
        "delimiter": layout.delimiter,
    }
    if layout.genes_in == "rows":
        names, counts_rc = _read_long(path, layout)
        return RawCounts(path, counts_rc.T, columns, names, "genes x samples", notes=notes)
    names, counts_rc = _read_wide(path, layout)
    return RawCounts(path, counts_rc, names, columns, "samples x genes", notes=notes)


def _read_long(path: Path, layout: Layout) -> tuple[list[str], np.ndarray]:
    """Many rows, few columns: pandas' C parser, told every type beforehand."""
    types: dict[int, Any] = dict.fromkeys(range(len(layout.columns)), str)
    types |= dict.fromkeys(layout.numbers, np.float64)
    try:
        frame = _frame(path, layout, types)
    except pd.errors.ParserError as error:
        reason = str(error).replace("Error tokenizing data. C error: ", "").strip()
        if reason == "out of memory":
            raise MemoryError from None
        raise CountsError(path, f"cannot be cut into columns ({reason})", SAME_WIDTH) from None
    except ValueError:
        # A second pass, as text, made only to name the cell.
        text = _frame(path, layout, str)
        for name, cells in zip(text[layout.label], text[list(layout.numbers)].to_numpy(), strict=True):
            _refuse_text(path, layout, name, list(cells))
        raise CountsError(path, "holds a cell that is not a number", "give every cell a count") from None
    names = [str(name).strip() for name in frame[layout.label]]
    return names, frame[list(layout.numbers)].to_numpy(dtype=np.float64)


def _frame(path: Path, layout: Layout, types: Any) -> pd.DataFrame:
    """All columns: asked for some, pandas drops the surplus fields of a long row unsaid."""
    with open_text(path, MOST_LINES) as file:
        return pd.read_csv(
            file,
            sep=layout.delimiter,
            header=None,
            names=range(len(layout.columns)),
            index_col=False,
            skiprows=layout.skip,
            dtype=types,
            keep_default_na=False,
            low_memory=False,
            # pandas' own conversions crash the process on an exponent of many digits.
            float_precision="round_trip",
            encoding="utf-8",
        )


def _read_wide(path: Path, layout: Layout) -> tuple[list[str], np.ndarray]:
    """Few rows, a column a gene: row by row, since pandas takes 2.5 s for 55,000 columns alone."""
    names: list[str] = []
    rows: list[np.ndarray] = []
    with (
        open_text(path, MOST_LINES) as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as lines,
    ):
        for fields in csv.reader(islice(lines, layout.skip, None), delimiter=layout.delimiter):
            if not fields:
                continue
            if len(fields) != len(layout.columns):
                what = f"row {short(fields[0])} has {len(fields)} fields, not {len(layout.columns)}"
                raise CountsError(path, what, SAME_WIDTH)
            name = fields[layout.label].strip()
            cells = [fields[c] for c in layout.numbers]
            try:
                rows.append(np.array(cells, dtype=np.float64))
            except ValueError:
                _refuse_text(path, layout, name, cells)
                what = f"row {short(name)} holds a cell that is not a number"
                raise CountsError(path, what, "give every cell a count") from None
            names.append(name)
    return names, np.array(rows)


def _refuse_text(path: Path, layout: Layout, name: str, cells: Sequence[str]) -> None:
    if not any(cell.strip() for cell in (name, *cells)):
        what = f"has a row of empty cells, missing even a name: {len(cells)} delimiters and nothing else"
        raise CountsError(path, what, "delete the empty rows; a spreadsheet keeps some below its last one")
    for column, cell in zip(layout.numbers, cells, strict=True):
        if not NUMBER.fullmatch(cell) or not math.isfinite(float(cell)):
            found, remedy = _why_no_number(cell)
            what = f"row {short(name)}, column {short(layout.columns[column])} {found}"
            raise CountsError(path, what, remedy)


def _why_no_number(cell: str) -> tuple[str, str]:
    """What is wrong with a cell, and its remedy."""
    remedy = "give every cell a count; leave out genes without one"
    if cell.strip() in MISSING:
        return f"is empty or missing{f' ({cell.strip()})' if cell.strip() else ''}", remedy
    shown = f"is {short(cell)!r}, not a number"
    if THOUSANDS.fullmatch(cell):
        return f"{shown}: it has separators of thousands, it seems", PLAIN_NUMBERS
    if DECIMAL_COMMA.fullmatch(cell):
        return f"{shown}: it has a decimal comma", "write numbers with decimal points"
    return shown, remedy
