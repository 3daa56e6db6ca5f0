"""Tiny tables with known counts."""

from pathlib import Path

import numpy as np
import pytest

from rnalearner.counts.genes import GeneTable

IDS = [f"ENSMUSG{number:011d}" for number in range(1, 7)]
SYMBOLS = ["Gnai3", "Pbsn", "Cdc45", "H19", "Scml2", "Apoh"]
SAMPLES = ["S1", "S2", "S3"]
COUNTS_NG = np.array([[10, 0, 3, 7, 1, 40], [5, 1, 0, 70, 2, 33], [0, 0, 8, 9, 0, 21]], dtype=float)


@pytest.fixture
def gene_table() -> GeneTable:
    return GeneTable(zip(IDS, SYMBOLS, strict=True))


@pytest.fixture
def write_table(tmp_path):
    """Write genes x samples as text; `names` are the genes' names, `values` per gene."""

    def write(names=IDS, values=COUNTS_NG.T, name="counts.csv", separator=",", header=None) -> Path:
        header = separator.join(["gene_id", *SAMPLES]) if header is None else header
        rows = [
            separator.join([gene, *(value if isinstance(value, str) else f"{value:.17g}" for value in row)])
            for gene, row in zip(names, values, strict=True)
        ]
        path = tmp_path / name
        path.write_text("\n".join([*([header] if header else []), *rows]) + "\n")
        return path

    return write
