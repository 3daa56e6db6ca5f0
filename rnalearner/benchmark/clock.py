"""Sixteen genes of the circadian clock, picked by hand: a control, because they tell time of sacrifice.

An arm on these alone that does as well as one on all genes has learned when, not what.
"""

from collections.abc import Sequence

import numpy as np

CLOCK_GENES = {
    "ENSMUSG00000055116": "Bmal1",
    "ENSMUSG00000029238": "Clock",
    "ENSMUSG00000026077": "Npas2",
    "ENSMUSG00000020893": "Per1",
    "ENSMUSG00000055866": "Per2",
    "ENSMUSG00000028957": "Per3",
    "ENSMUSG00000020038": "Cry1",
    "ENSMUSG00000068742": "Cry2",
    "ENSMUSG00000020889": "Nr1d1",
    "ENSMUSG00000021775": "Nr1d2",
    "ENSMUSG00000059824": "Dbp",
    "ENSMUSG00000022389": "Tef",
    "ENSMUSG00000003949": "Hlf",
    "ENSMUSG00000056749": "Nfil3",
    "ENSMUSG00000038550": "Ciart",
    "ENSMUSG00000030256": "Bhlhe41",
}
"""Ensembl id (mouse) -> symbol."""


def of_clock(genes: Sequence[str]) -> np.ndarray:
    """Which of `genes` are clock genes, bool."""
    return np.array([gene in CLOCK_GENES for gene in genes], dtype=bool)
