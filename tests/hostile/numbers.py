"""Tables that are cut well and hold no counts, or no genes."""

from collections.abc import Iterator

import numpy as np

from tests.hostile.files import HostileFile, counts_ng, genes, grid, joined, scaled, with_cell
from tests.service.toy_tables import SAMPLES

_NOT_NUMBERS = {
    "not a number": (
        "0x1F",
        "12 reads",
        "1_000",
        "--5",
        "1e",
        "TRUE",
        "<LOD",
        "1.2.3",
        "\u0661\u0662",
        "\uff11",
        "abc",
    ),
    "missing cells": ("", " ", "NA", "NaN", "nan", "N/A", "NULL", "#N/A"),
    "infinite cells": ("inf", "Infinity", "-inf", "1e308", "1e400", "1e999999999", "9" * 400, "1e16"),
    "formulas": ("=1+1", "=SUM(B2:B5)", "=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "#REF!", "#DIV/0!", "-2+3"),
    "dates": ("2023-03-01", "3-Mar", "01.02.2024", "12:30", "1/2", "Mar 5"),
    "decimal commas": ('"1,5"', '"1.000,5"', '"1,000"', '"12,0"'),
    "negative counts": ("-1", "-0.5", "-1e9", "-1e308"),
}
_SAYS = {
    "infinite cells": "infinite|not a number|negative",
    "missing cells": "missing|not a number",
    "negative counts": "negative|infinite",
}


def files() -> Iterator[HostileFile]:
    for kind, texts in _NOT_NUMBERS.items():
        for text in texts:
            name = f"cell {text[:20]}"
            yield HostileFile(kind, name, with_cell(text), _SAYS.get(kind, "not a number"))
    wide = [
        ["gene", *genes()],
        *([name, *map(str, row)] for name, row in zip(SAMPLES, counts_ng(), strict=True)),
    ]
    wide[3][20] = "-4"
    yield HostileFile("negative counts", "wide", joined(wide), "negative")
    cells = grid()
    decimals = [cells[0], *([row[0], *(f"{cell},5" for cell in row[1:])] for row in cells[1:])]
    yield HostileFile("decimal commas", "semicolons", joined(decimals, ";"), "number|delimiter")
    yield from _scales()
    yield from _genes()


def _scales() -> Iterator[HostileFile]:
    total_n = counts_ng().sum(axis=1)
    for base, log in (("2", np.log2), ("e", np.log), ("10", np.log10)):
        body = scaled(lambda count, log=log: round(float(log(count + 1)), 4))  # type: ignore[misc]
        yield HostileFile("logarithms", f"base {base}", body, "logarithm")
        body = scaled(lambda count, log=log: float(log(count + 0.25)) / 3)  # type: ignore[misc]
        yield HostileFile("logarithms", f"base {base}, pseudocount", body, "negative|logarithm")
    yield HostileFile("logarithms", "tiny", scaled(lambda count: count * 1e-5), "logarithm|not whole")
    yield HostileFile("logarithms", "z-scores", scaled(lambda count: (count - 500) / 300), "negative")
    for name, scale in {
        "TPM": 1e6,
        "CP10K": 1e4,
        "proportions": 1.0,
        "per 100,000": 1e5,
        "another": 12_345.6,
    }.items():
        shares = (counts_ng() / total_n[:, None] * scale).T
        rows = [[gene, *map(str, row)] for gene, row in zip(genes(), shares.tolist(), strict=True)]
        body = joined([["gene", *SAMPLES], *rows])
        yield HostileFile("one total for all", name, body, "normalised|logarithm")
    yield HostileFile("no reads", "zeros", scaled(lambda _: 0), "no read|zero|no count|empty")
    for sample in (1, 6):
        cells = [[*row[:sample], "0", *row[sample + 1 :]] for row in grid()]
        cells[0] = grid()[0]
        yield HostileFile("no reads", f"S{sample}", joined(cells), "no read|zero|no count|empty")


def _genes() -> Iterator[HostileFile]:
    """Of a gateway that has no table of symbols, or one of mice."""
    says = "gene|Ensembl|header"
    made = {
        "symbols": "Nosuch{:03d}x",
        "Entrez": "{:05d}",
        "probes": "1415{:03d}_at",
        "UniProt": "P{:05d}",
        "RefSeq": "NM_{:06d}",
        "transcripts": "ENSMUST{:011d}",
        "proteins": "ENSMUSP{:011d}",
        "FlyBase": "FBgn{:07d}",
        "loci": "AT1G{:05d}",
        "dates": "{}-Mar",
        "too few digits": "ENSMUSG{}",
        "script": "<script>alert({})</script>",
        "traversal": "../../../etc/passwd{}",
        "template": "{{{{7*{}}}}}",
    }
    for name, pattern in made.items():
        cells = grid()
        rows = [[pattern.format(number), *row[1:]] for number, row in enumerate(cells[1:], start=1)]
        yield HostileFile("unknown genes", name, joined([cells[0], *rows]), says)
    half = [row if number % 3 == 0 else [f"x{number}", *row[1:]] for number, row in enumerate(grid())]
    yield HostileFile("unknown genes", "two of three", joined([grid()[0], *half[1:]]), says)
    wide = [["", *(f"g{number}" for number in range(40))]]
    wide += [[name, *map(str, row)] for name, row in zip(SAMPLES, counts_ng(), strict=True)]
    yield HostileFile("unknown genes", "transposed without ids", joined(wide), says)
    yield HostileFile("unknown genes", "numbers alone", joined([row[1:] for row in grid()[1:]]), says)
