"""A text table of counts as it is written: names and numbers, no judgement yet."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnalearner.counts.genes import GeneTable
from rnalearner.counts.layouts import MISSING, NUMBER, Layout, detect
from rnalearner.counts.opening import open_text
from rnalearner.errors import CountsError

INTO_FIELDS = "quote fields that hold the delimiter, and give every row the same number of fields"


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
    used = sorted({layout.label, *layout.numbers})
    types: defaultdict[int, Any] = defaultdict(lambda: np.float64, {layout.label: str})
    try:
        frame = _parse(path, layout, used, types)
    except ValueError as error:
        if isinstance(error, pd.errors.ParserError):
            what = f"cannot be cut into columns ({str(error).strip()})"
            raise CountsError(path, what, INTO_FIELDS) from None
        raise _not_a_number(path, layout, used) from None
    names = [str(name).strip() for name in frame[layout.label]]
    values = frame[list(layout.numbers)].to_numpy(dtype=np.float64)
    columns = [layout.columns[c].strip() for c in layout.numbers]
    notes = {"columns_left_out": [name for name in layout.left_out if name]}
    if layout.genes_in == "rows":
        return RawCounts(path, values.T, columns, names, "genes x samples", notes=notes)
    return RawCounts(path, values, names, columns, "samples x genes", notes=notes)


def _parse(path: Path, layout: Layout, used: list[int], types: Any) -> pd.DataFrame:
    with open_text(path) as file:
        return pd.read_csv(
            file,
            sep=layout.delimiter,
            header=None,
            names=range(len(layout.columns)),
            index_col=False,
            usecols=used,
            skiprows=layout.skip,
            dtype=types,
            keep_default_na=False,
            low_memory=False,
            encoding="utf-8",
        )


def _not_a_number(path: Path, layout: Layout, used: list[int]) -> CountsError:
    """The first cell, by rows, that is no number. A second pass, made only for the message."""
    frame = _parse(path, layout, used, str)
    for position, row in enumerate(frame[list(layout.numbers)].itertuples(index=False)):
        for column, cell in zip(layout.numbers, row, strict=True):
            if not NUMBER.fullmatch(str(cell)):
                where = f"row {frame[layout.label].iloc[position]}, column {layout.columns[column]}"
                empty = str(cell).strip() in MISSING
                what = f"{where} is empty or missing" if empty else f"{where} is {cell!r}, not a number"
                return CountsError(path, what, "give every cell a count; leave out genes without one")
    return CountsError(path, "holds a cell that is no number", "give every cell a count")
