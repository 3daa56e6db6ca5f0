"""How a text table is laid out, found from its first lines only."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from rnalearner.counts.arrangement import ANNOTATION, Arrangement, arrange, gene_share
from rnalearner.counts.bounds import MOST_COLUMNS
from rnalearner.counts.genes import GeneTable
from rnalearner.counts.opening import first_lines, short
from rnalearner.errors import CountsError

# Nowhere two ways to cut a row of digits: a name of 100,000 of them would be tried at each.
NUMBER = re.compile(r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *", re.ASCII)
DECIMAL_COMMA = re.compile(r" *[+-]?\d+,\d+ *", re.ASCII)
THOUSANDS = re.compile(r" *\d{1,3}(?:(,\d{3})+|(\.\d{3}){2,}|(['\u2019 \u00a0\u202f]\d{3})+) *", re.ASCII)
PLAIN_NUMBERS = "write whole numbers without separators (in a spreadsheet: format the cells as plain numbers)"
MISSING = {"", "NA", "NaN", "nan", "N/A", "NULL", "null", "#N/A"}
_MOST_TITLES = 3
"""Lines above a header: what has more of them is some other file with a table in it."""
HEADER_WORDS = {"", "id", "name", "gene", "genes", "target_id", "ensembl", "feature", "sample", "count"}


@dataclass(frozen=True)
class Layout(Arrangement):
    """Where names and counts are in a text table."""

    delimiter: str
    skip: int
    """Lines before the first row."""
    above: tuple[str, ...] = ()
    """Comments and titles above the header."""


def detect(path: Path, genes: GeneTable | None = None) -> Layout:
    """Delimiter, header, names, counts and orientation of a text table.

    Raises CountsError where it is no table, GeneError where neither side holds known genes.
    """
    lines = first_lines(path)
    skip = _preamble(lines)
    if not any(line.strip() for line in lines[skip:]):
        raise CountsError(path, "is empty", "give a table of genes and samples")
    skip, delimiter = _beginning(path, lines, skip)
    above = tuple(short(line.strip(f"{delimiter} ")) for line in lines[:skip] if line.strip())
    if lines[skip].count(delimiter) > MOST_COLUMNS:
        what = f"has more than {MOST_COLUMNS:,} columns"
        raise CountsError(path, what, "keep the samples and genes that the task needs")
    try:
        rows = list(csv.reader((line for line in lines[skip:] if line.strip()), delimiter=delimiter))
    except csv.Error as error:
        raise CountsError(path, f"cannot be cut into columns ({error})", "close every quote") from None
    if _is_header(rows, genes):
        skip, header, rows = skip + 1, rows[0], rows[1:]
        if not rows:
            raise CountsError(path, "has a header and no rows", "give a table with at least one gene")
        if len(header) == len(rows[0]) - 1:
            header = ["", *header]  # as R writes row names
    else:
        header = [""] * len(rows[0])
    if len(header) != len(rows[0]):
        what = f"has {len(header)} names in its header and {len(rows[0])} fields in the row after it"
        raise CountsError(path, what, "give every column one name")
    rows = [row for row in rows if len(row) == len(header)]

    text = _text_columns(rows)
    named = {c: [row[c] for row in rows] for c in sorted({0, *text})}
    numbers = tuple(c for c in range(len(header)) if c not in text and c > 0)
    if not numbers:
        _refuse_commas(path, rows)
    _refuse_second_header(path, rows, numbers, skip + 1)
    found = arrange(path, header, named, numbers, genes)
    return Layout(found.columns, found.label, found.numbers, found.genes_in, delimiter, skip, above)


def _preamble(lines: list[str]) -> int:
    """Comment lines and blank ones; a GCT file (`#1.2`) has its dimensions on one line more."""
    skip = 0
    while skip < len(lines) and (lines[skip].startswith("#") or not lines[skip].strip()):
        skip += 1
    return skip + 1 if lines and lines[0].startswith("#1.") else skip


def _beginning(path: Path, lines: list[str], first: int) -> tuple[int, str]:
    """The header's line and the delimiter; above it, lines of few fields are titles, or groups of samples."""
    for skip in range(first, min(first + _MOST_TITLES, len(lines) - 1) + 1):
        if not lines[skip].strip():
            continue
        delimiter, width = _delimiter(lines[skip:])
        n_fields = sum(bool(field.strip()) for field in lines[skip].split(delimiter)) if delimiter else 0
        # A table of two columns may have one name above them, as R writes it.
        if delimiter and ((width < 3 and skip == first) or n_fields > max(1, width // 2)):
            return skip, delimiter
    what = "is not a table: its lines have one field, or uneven numbers of them"
    raise CountsError(path, what, "separate the columns by tabs or commas")


def _delimiter(lines: list[str]) -> tuple[str, int]:
    """What cuts the first lines into most fields, rows alike (a header may be one short), and how many.

    "" where nothing does.
    """
    best, most = "", 1
    some = [line for line in lines if line.strip()][:20]
    for delimiter in ("\t", ",", ";", " "):
        try:
            widths = [len(row) for row in csv.reader(some, delimiter=delimiter) if row]
        except csv.Error:  # a field longer than csv allows: a whole wide line, so not this delimiter
            continue
        body = widths[1:] or widths
        # One odd row must not hide the delimiter: its own error names it later.
        usual = max(set(body), key=lambda width: (body.count(width), width))
        if usual > most and abs(widths[0] - usual) <= 1:
            best, most = delimiter, usual
    return best, most


def _is_header(rows: list[list[str]], genes: GeneTable | None) -> bool:
    first = rows[0]
    if len(rows) > 1 and len(rows[1]) == len(first) + 1:
        return True
    if not all(NUMBER.fullmatch(field) for field in first[1:]):
        return True
    # Samples may be called 1, 2, 3: then only the first field can tell.
    name = first[0].strip()
    if name.casefold() in HEADER_WORDS or ANNOTATION.fullmatch(name.casefold()):
        return True
    if gene_share([name], genes) or len(rows) == 1:
        return False
    following = gene_share([row[0] for row in rows[1:]], genes)
    return following > 0.9


def _refuse_commas(path: Path, rows: list[list[str]]) -> None:
    """Raises CountsError where every number has a comma; which kind it is must not be guessed."""
    cells = next(
        (row for row in rows if len(row) > 1 and all(DECIMAL_COMMA.fullmatch(cell) for cell in row[1:])), None
    )
    if cells is None:
        return
    begins = f"writes its numbers (row {short(cells[0])}: {short(cells[1].strip())!r}) with"
    if all(THOUSANDS.fullmatch(cell) for row in rows for cell in row[1:]):
        raise CountsError(path, f"{begins} separators of thousands, it seems", PLAIN_NUMBERS)
    raise CountsError(path, f"{begins} decimal commas", "write them with decimal points")


def _refuse_second_header(path: Path, rows: list[list[str]], numbers: tuple[int, ...], line: int) -> None:
    """Raises CountsError where the first row says something of every column, and no number."""
    said = [rows[0][c].strip() for c in numbers] if rows else []
    meant = (NUMBER, DECIMAL_COMMA, THOUSANDS)
    if len(said) > 1 and not any(
        cell in MISSING or any(number.fullmatch(cell) for number in meant) for cell in said
    ):
        what = f"has a second header: line {line} says {', '.join(map(short, said[:3]))}, and no number"
        remedy = "keep the one line with the samples' names; groups and the like belong into the sheet"
        raise CountsError(path, what, remedy)


def _text_columns(rows: list[list[str]]) -> set[int]:
    """Columns without a single number. One wrong cell does not make a column text."""
    if not rows:
        return set()
    undecided = set(range(len(rows[0])))
    for row in rows:
        undecided = {c for c in undecided if not NUMBER.fullmatch(row[c])}
    return {c for c in undecided if not all(row[c].strip() in MISSING for row in rows)}
