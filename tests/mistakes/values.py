"""Numbers that are no counts, or not written as such."""

from collections.abc import Iterator

import numpy as np

from tests.mistakes.toy import COUNTS_GN, GENES, N_GENES, SHEET, Mistake, mistake, table, with_cell


def values() -> Iterator[Mistake]:
    raw = "give raw counts"
    yield mistake(
        "logarithms",
        table(np.log2(COUNTS_GN + 1).round(4)),
        SHEET,
        "^table.csv",
        r"holds logarithms, .* the largest is 1\d\.",
        raw,
    )
    for name, scale in (("TPM", 1e6), ("CPM", 1e6), ("counts per 10,000", 1e4)):
        # Of TPM a third of the genes are left: they keep the ratio between samples, not the sum.
        length_g = np.linspace(1, 4, N_GENES)[:, None] if name == "TPM" else 1
        share_gn = COUNTS_GN / length_g
        yield mistake(
            name,
            table((share_gn / share_gn.sum(axis=0) * scale).round(6)),
            SHEET,
            f"every sample sums to {'1e.06' if scale == 1e6 else '10000'}",
            "holds TPM, CPM or another normalised scale",
            raw,
        )
    place = f"row {GENES[4]}, column GC_1"
    every = "give every cell a count; leave out genes without one"
    yield mistake("an empty cell", with_cell(""), SHEET, place, "is empty or missing$", every)
    yield mistake("NA", with_cell("NA"), SHEET, place, r"is empty or missing \(NA\)", every)
    yield mistake("text in a cell", with_cell("low"), SHEET, place, "is 'low', not a number", every)
    yield mistake(
        "a negative count",
        with_cell("-3"),
        SHEET,
        f"gene {GENES[4]}, sample GC_1",
        r"is negative \(-3\)",
        raw,
    )
    points = "write numbers with decimal points"
    yield mistake("a decimal comma", with_cell('"12,5"'), SHEET, place, "has a decimal comma", points)
    yield mistake(
        "decimal commas",
        table([[f"{value},5" for value in row] for row in COUNTS_GN], delimiter=";"),
        SHEET,
        rf"row {GENES[0]}: '\d+,5'",
        "writes its numbers .* with decimal commas",
        "write them with decimal points",
    )
    plain = "write whole numbers without separators"
    yield mistake(
        "thousands by commas",
        table([[f'"{value:,}"' for value in row] for row in COUNTS_GN]),
        SHEET,
        r"row ENSMUSG\d+, column (FLT|GC)_\d is '\d,\d{3}'",
        "separators of thousands",
        plain,
    )
    yield mistake(
        "thousands by commas everywhere",
        table([[f'"{value + 1000:,}"' for value in row] for row in COUNTS_GN]),
        SHEET,
        rf"row {GENES[0]}: '\d+,\d{{3}}'",
        "writes its numbers .* with separators of thousands",
        plain,
    )
    yield mistake(
        "thousands by dots",
        table([[f"{value:,}".replace(",", ".") for value in row] for row in COUNTS_GN]),
        SHEET,
        "^table.csv",
        "has dots as separators of thousands.* none reaches 1,000",
        plain,
    )
    silent = COUNTS_GN.copy()
    silent[:, 2] = 0
    yield mistake(
        "a sample without reads", table(silent), SHEET, "sample FLT_3", "has no read", "leave it out"
    )
    small = COUNTS_GN.copy()
    small[:, 2] //= 40
    yield mistake(
        "a small library",
        table(small),
        SHEET,
        "sample FLT_3",
        r"far fewer reads than the others \([\d,]+\): below a tenth of the median",
        "leave it out, or sequence it deeper",
    )
