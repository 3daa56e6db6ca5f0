"""A right table and sheet of six samples, to be got wrong one thing at a time, and what must be said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

N_GENES = 120
SAMPLES = ["FLT_1", "FLT_2", "FLT_3", "GC_1", "GC_2", "GC_3"]
GENES = [f"ENSMUSG{number:011d}" for number in range(1, N_GENES + 1)]
SYMBOLS = [f"Gene{number}a" for number in range(1, N_GENES + 1)]
GENE_TABLE = "ensembl,symbol\n" + "".join(
    f"{gene},{symbol}\n" for gene, symbol in zip(GENES, SYMBOLS, strict=True)
)
COUNTS_GN = np.random.default_rng(9).negative_binomial(2, 0.0005, (N_GENES, len(SAMPLES)))
SHEET = "sample,label\n" + "".join(f"{name},{name[:-2]}\n" for name in SAMPLES)


@dataclass(frozen=True)
class Mistake:
    """What is given, and patterns of what is said of it."""

    name: str
    table: bytes
    sheet: bytes | None
    place: str
    """Where the mistake is."""
    cause: str
    """What it is."""
    remedy: str
    """What to do. "" where it is understood: then place and cause stand in a note."""
    with_genes: bool = False
    """Whether the gateway has a table of symbols."""


def table(
    values_gn: Any = COUNTS_GN,
    genes: Sequence[str] = GENES,
    samples: Sequence[str] = SAMPLES,
    delimiter: str = ",",
    corner: str = "gene",
) -> str:
    """Genes in rows."""
    rows = [[corner, *samples], *([gene, *map(str, row)] for gene, row in zip(genes, values_gn, strict=True))]
    return "\n".join(delimiter.join(row) for row in rows) + "\n"


def with_cell(text: str) -> str:
    """The right table, but for the count of the fifth gene in GC_1."""
    cells = COUNTS_GN.astype(object)
    cells[4, 3] = text
    return table(cells)


def relabelled(change: Callable[[str], str]) -> str:
    """The right sheet with every sample's name changed."""
    return "sample,label\n" + "".join(f"{change(name)},{name[:-2]}\n" for name in SAMPLES)


def labelled(*labels: str) -> str:
    return "sample,label\n" + "".join(
        f"{name},{label}\n" for name, label in zip(SAMPLES, labels, strict=True)
    )


def mistake(
    name: str, body: str | bytes, sheet: str | bytes | None, place: str, cause: str, remedy: str, **rest: Any
) -> Mistake:
    first, second = (text.encode() if isinstance(text, str) else text for text in (body, sheet))
    assert first is not None
    return Mistake(name, first, second, place, cause, remedy, **rest)
