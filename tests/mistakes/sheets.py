"""Sheets that do not fit their table."""

from collections.abc import Iterator

from tests.mistakes.files import workbook
from tests.mistakes.toy import SAMPLES, SHEET, Mistake, mistake, relabelled, table


def sheets() -> Iterator[Mistake]:
    good, where = table(), "labels of table.csv.*"
    alike = "name the samples as the counts do"
    yield mistake(
        "names in another case",
        good,
        relabelled(str.lower),
        where,
        r"none of the samples.*FLT_1 is perhaps flt_1 \(other case\), and 5 more",
        alike,
    )
    yield mistake(
        "names with words more",
        good,
        relabelled(lambda name: f"{name}_R1"),
        where,
        r"none of the samples.*FLT_1 is perhaps FLT_1_R1",
        alike,
    )
    for name, sign in (("dashes", "-"), ("dots", "."), ("blanks", " ")):
        yield mistake(
            f"names with {name}",
            good,
            relabelled(lambda name, sign=sign: name.replace("_", sign)),  # type: ignore[misc]
            "Samples of table and sheet",
            "matched as R rewrites their names",
            "",
        )
    yield mistake(
        "blanks around names",
        good,
        relabelled(lambda name: f" {name} "),
        "6 cells",
        "Blanks .* are left off",
        "",
    )
    yield mistake(
        "another first column",
        good,
        "label,mouse\n" + "".join(f"{name[:-2]},{name}\n" for name in SAMPLES),
        "column 'mouse'",
        "names the samples, not 'label'",
        "",
    )
    yield mistake(
        "other samples",
        good,
        "sample,label\nWT1,a\nWT2,b\n",
        where,
        "lists WT1, WT2, and none of the samples, which are FLT_1",
        alike,
    )
    yield mistake(
        "a sample too many",
        good,
        SHEET + "GC_9,GC\n",
        "the sheet",
        "lists 1 samples that the table lacks: GC_9",
        "write their names as in the table, or leave their lines out",
    )
    yield mistake(
        "a sample too few",
        good,
        SHEET.replace("GC_3,GC\n", "gc_3,GC\n"),
        "the sheet",
        r"lacks 1 of the samples: GC_3; GC_3 is perhaps gc_3 \(other case\)",
        "add a line for each",
    )
    yield mistake(
        "a sample twice",
        good,
        SHEET + "GC_1,FLT\n",
        where,
        "lists sample GC_1 twice",
        "list every sample once",
    )
    yield mistake(
        "a ragged line",
        good,
        SHEET.replace("GC_1,GC", "GC_1,GC,male"),
        where + "line of sample GC_1",
        "has 3 fields, not 2",
        "give every line as many fields as the header",
    )
    yield mistake(
        "a sheet with semicolons",
        good,
        SHEET.replace(",", ";"),
        "sheet's columns",
        "separated by semicolons",
        "",
    )
    yield mistake(
        "a sheet as xlsx", good, workbook(), where, "is a workbook of a spreadsheet", "save it as CSV or TSV"
    )
    yield mistake("a header alone", good, "sample,label\n", where, "is empty", "a header and a line a sample")
