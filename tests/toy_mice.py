"""Mice whose answer is known: six of 200 genes tell flight from ground; each study has its own levels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rnalearner.config import PreprocessingConfig, ShardConfig, TaskConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

N_GENES, N_PLANTED = 200, 6
IDS = tuple(f"ENSMUSG{gene:011d}" for gene in range(1, N_GENES + 1))
PLANTED = IDS[:N_PLANTED]
GENES = GeneSet(IDS)
TASK = TaskConfig(name="flight", train="old", test="new")
LABELS = {"old": ["FLT"] * 3 + ["GC"] * 3 + ["VIV"] * 2, "new": ["GC", "FLT"] * 5}
"""Three mice a group to learn from; a group that the task does not ask for belongs to the cohort."""


def mice(labels: Sequence[str], seed: int, effect: float = 2.0, lean: float = 0.0) -> np.ndarray:
    """Counts n x g; in flight the planted genes lie `effect` doublings higher or, every other one, lower.

    A study that leans has all of its mice so many doublings on the side of flight, the others too.
    """
    rng = np.random.default_rng(seed)
    level_g = np.linspace(5, 9, N_GENES) + rng.normal(0, 1, N_GENES)
    log2_ng = level_g + rng.normal(0, 0.3, (len(labels), N_GENES))
    towards_flight = np.where(np.arange(N_PLANTED) % 2, -1, 1)
    flown_n = np.array(labels) == "FLT"
    log2_ng[:, :N_PLANTED] += (lean + effect * flown_n)[:, None] * towards_flight
    return rng.poisson(2**log2_ng).astype(np.float32)


def mouse_store(folder: Path) -> ShardStore:
    """Both studies, of which the new one leans; a million reads a mouse, so that a count is a CPM."""
    with ShardWriter(folder, GENES, PreprocessingConfig(min_expressed_genes=5), ShardConfig()) as writer:
        for seed, (study, labels) in enumerate(LABELS.items()):
            counts_ng = mice(labels, seed, lean=4.0 if study == "new" else 0.0)
            obs = pd.DataFrame(
                {
                    "sample": [f"{study}-{i}" for i in range(len(labels))],
                    "study": study,
                    "modality": "bulk",
                    "subject": "",
                    "tissue": "",
                    "total": 1e6,
                    "n_expressed": (counts_ng > 0).sum(1),
                    "label": labels,
                }
            )
            writer.add(counts_ng, obs)
    return ShardStore.open(folder)


def mouse_guide() -> GeneGuide:
    """Other studies moved the planted genes most, and never measured the last ten."""
    guide_g = np.where(np.arange(N_GENES) < N_PLANTED, 10.0, 1.0)[:-10]
    meta = {"strategy": "within_study", "studies": ["s1", "s2"], "n_contrasts": 48, "seed": 0}
    counts_g = np.full(N_GENES - 10, 2)
    return GeneGuide(IDS[:-10], guide_g / guide_g.mean(), np.full(N_GENES - 10, 0.4), counts_g, meta)
