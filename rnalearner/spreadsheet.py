"""CSV for people and back: in a spreadsheet no name from outside becomes a formula.

Where a cell of text may begin with a sign that a spreadsheet acts on, an apostrophe is put before it (the
remedy of OWASP's page on CSV injection), and reading takes exactly these apostrophes away again. Numbers
stay numbers, negative ones too. Every CSV that may hold a name from outside is written here.
"""

import csv
import re
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from rnalearner.publish import publish_file

_BEGINS = r"(?:\A|(?<=[;\t\r\n]))"
"""Where a cell may begin: half of Europe's spreadsheets split at semicolons, and then know no quotes."""
_PASSED_OVER = r"(?:(?![\t\r\n])[\s'\"\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff])*+"
"""Spaces, quotes and signs without a shape may be dropped on opening; what follows them begins the cell."""
_ACTIVE = r"[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]"
"""What starts a formula, the wide forms too, and what ends a cell early."""
_RUNS = re.compile(rf"{_BEGINS}(?={_PASSED_OVER}{_ACTIVE})")
_QUIETED = re.compile(rf"{_BEGINS}'(?={_PASSED_OVER}{_ACTIVE})")


def harmless(text: str) -> str:
    """`text` with an apostrophe wherever a spreadsheet would begin a formula; `original` undoes it."""
    return _RUNS.sub("'", text)


def original(text: str) -> str:
    """What `harmless` was given; any other text stays as it is."""
    return _QUIETED.sub("", text)


def write_csv(
    path: Path, table: pd.DataFrame, *, index_label: str | None = None, float_format: str | None = None
) -> None:
    """Write `table` as UTF-8, whole or not at all; its index only under the name `index_label`.

    What no CSV can hold, a zero byte or half of a surrogate pair, is written as its escape and read back so.
    """
    quiet = _with_texts(table, lambda text: harmless(_writable(text)))
    with publish_file(path) as temporary:
        quiet.to_csv(
            temporary,
            index=index_label is not None,
            index_label=index_label,
            float_format=float_format,
            quoting=_quoting(quiet),
        )


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """pandas' read_csv of what `write_csv` wrote: names are the original ones."""
    return _with_texts(pd.read_csv(path, **options), original)


def _writable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """`table` with `change` done to every text in it: cells, index and headings."""

    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    found = table.copy()
    for name in _texts(table):
        found[name] = table[name].astype(object).map(changed)
    found.index, found.columns = table.index.map(changed), table.columns.map(changed)
    return found


def _texts(table: pd.DataFrame) -> Iterable[Any]:
    return table.columns[[not is_numeric_dtype(kind) for kind in table.dtypes]]


def _quoting(table: pd.DataFrame) -> Any:
    """Only where a quote is needed. Python before 3.13 sees no need in a lone carriage return."""
    texts = chain(table.columns, table.index, *(table[name] for name in _texts(table)))
    returns = any("\r" in text for text in texts if isinstance(text, str))
    return csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
