"""Text that is cut otherwise than it seems, and files that are no text."""

import gzip
import io
import zipfile
from collections.abc import Iterator

from tests.mistakes.toy import GENES, SHEET, Mistake, mistake, table


def text() -> Iterator[Mistake]:
    good = table()
    yield mistake("semicolons", good.replace(",", ";"), SHEET, "columns", "separated by semicolons", "")
    yield mistake("tabs in a .csv", good.replace(",", "\t"), SHEET, "columns", "separated by tabs", "")
    yield mistake(
        "a title",
        f"Table S1: raw counts, liver\n{good}",
        SHEET,
        "first: Table S1",
        "1 lines above the header",
        "",
    )
    yield mistake(
        "a title as a spreadsheet saves it",
        f"Raw counts,,,,,,\n,,,,,,\n{good}",
        SHEET,
        "first: Raw counts",
        r"\d lines above the header are left out",
        "",
    )
    yield mistake(
        "a comment",
        f"# Program:featureCounts v2.0\n{good}",
        SHEET,
        "first: # Program",
        "above the header",
        "",
    )
    lines = good.splitlines()
    yield mistake(
        "groups merged above the header",
        "\n".join([",flight,,,ground,,", *lines]),
        SHEET,
        "first: flight",
        "above the header are left out",
        "",
    )
    yield mistake(
        "a second header",
        "\n".join([lines[0], ",flight,flight,flight,ground,ground,ground", *lines[1:]]),
        SHEET,
        "line 2 says flight, flight, flight",
        "has a second header",
        "keep the one line with the samples' names; groups .* into the sheet",
    )
    yield mistake(
        "rows of empty cells below",
        good + ",,,,,,\n" * 3,
        SHEET,
        "6 delimiters and nothing else",
        "has a row of empty cells",
        "delete the empty rows",
    )
    yield mistake(
        "a line too long",
        good.replace(f"\n{GENES[8]},", f"\n{GENES[8]},7,"),
        SHEET,
        "line 10",
        "cannot be cut into columns .*saw 8",
        "give every row the same number of fields",
    )
    yield mistake(
        "only a header", lines[0], SHEET, "^table.csv", "has a header and no rows", "at least one gene"
    )
    yield mistake("UTF-16", good.encode("utf-16"), SHEET, "^table.csv", "is UTF-16 text", "save it as UTF-8")
    yield mistake("nothing", b"\n", SHEET, "^table.csv", "is empty", "give a table of genes and samples")


def workbook() -> bytes:
    """Begins as Excel's do."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return packed.getvalue()


def files() -> Iterator[Mistake]:
    text = "save it as CSV or TSV"
    yield mistake("xlsx", workbook(), SHEET, "^table.csv", r"is a workbook of a spreadsheet \(.xlsx", text)
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
    yield mistake("xls", old, SHEET, "^table.csv", "is a workbook of an old Excel", text)
    yield mistake(
        "PDF", b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", SHEET, "^table.csv", "is a PDF", "fetch the table"
    )
    page = '<html xmlns:x="urn:schemas-microsoft-com:office:excel">\n<table><tr><td>gene</td></tr></table>'
    yield mistake("a web page", page, SHEET, "^table.csv", "is a web page", "save it as CSV or TSV")
    twice = gzip.compress(gzip.compress(table().encode(), mtime=0), mtime=0)
    yield mistake("gzip twice", twice, SHEET, "^table.csv", "is gzipped twice", "unpack it once")
    half = gzip.compress(table().encode(), mtime=0)[:-40]
    yield mistake("half a download", half, SHEET, "^table.csv", "gzip file that ends too early", "fetch")
