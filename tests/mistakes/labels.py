"""Sheets that fit, and labels that do not."""

from collections.abc import Iterator

from tests.mistakes.toy import SAMPLES, Mistake, labelled, mistake, table


def labels() -> Iterator[Mistake]:
    good = table()
    yield mistake(
        "no sheet",
        good,
        None,
        "labels",
        "nothing says which sample is in which group",
        "give a sheet of labels",
    )
    yield mistake(
        "labels missing",
        good,
        labelled("a", "a", "", "b", "b", ""),
        "column label",
        "it is empty for 2 samples: FLT_3, GC_3",
        "fill in their cells",
    )
    yield mistake(
        "one sample of a group",
        good,
        labelled("a", "a", "b", "b", "b", "c"),
        "column label",
        r"only one sample is c \(GC_3\)",
        "add samples of that group, or leave it out",
    )
    yield mistake(
        "a group a sample",
        good,
        labelled(*"abcdef"),
        "column label",
        "fewer than two of its groups .* have two samples",
        "two groups or more have two samples or more",
    )
    yield mistake(
        "one group only",
        good,
        labelled(*["FLT"] * 6),
        "column label",
        "it holds one group only, FLT",
        "add samples of another group",
    )
    yield mistake(
        "columns without groups",
        good,
        "sample,weight\n" + "".join(f"{name},{20 + row / 10}\n" for row, name in enumerate(SAMPLES)),
        "the sheet",
        r"no column \(weight\) holds groups",
        "two groups or more have two samples or more",
    )
    yield mistake(
        "blanks behind labels",
        good,
        labelled("flight ", "flight", "flight ", "ground", "ground", "ground"),
        "2 cells of the sheet",
        "Blanks .* are left off",
        "",
    )
    yield mistake(
        "labels in two cases",
        good,
        labelled("Flight", "flight", "Flight", "ground", "ground", "ground"),
        "column label",
        "holds Flight and flight, which differ in case only",
        "write them alike if they mean the same",
    )
    yield mistake(
        "numbers for labels",
        good,
        labelled(*"000111"),
        "numbers in column label",
        r"taken as names of groups \(0, 1\)",
        "",
    )
