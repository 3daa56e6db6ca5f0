"""A small corpus with something to learn from context: genes move together in three modules."""

from pathlib import Path

import numpy as np
import pandas as pd

from rnalearner.config import PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

N_GENES, N_STUDIES, PER_STUDY = 30, 6, 8


def toy_obs(samples: list[str], counts_ng: np.ndarray, study: str = "S") -> pd.DataFrame:
    """What the samples' file says of them: bulk, strangers to each other, of 100,000 reads."""
    said = {"study": study, "modality": "bulk", "subject": "", "tissue": "", "total": 1e5}
    return pd.DataFrame({"sample": samples, **said, "n_expressed": (counts_ng > 0).sum(1)})


def write_toy_corpus(folder: Path, seed: int = 0, n_studies: int = N_STUDIES) -> ShardStore:
    """8 samples of each of 6 studies; gene g follows module g % 3, every tenth is unmeasured in study 0."""
    rng = np.random.default_rng(seed)
    genes = GeneSet(tuple(f"ENSMUSG{g:011d}" for g in range(N_GENES)))
    level_g = rng.uniform(5, 9, N_GENES)
    config = ShardConfig(rows_per_shard=16, rows_per_group=4, shuffle_groups=2)
    with ShardWriter(folder, genes, PreprocessingConfig(min_expressed_genes=1), config) as writer:
        for study in range(n_studies):
            activity_nk = 1.5 * rng.standard_normal((PER_STUDY, 3))
            log2_ng = level_g + activity_nk[:, np.arange(N_GENES) % 3]
            counts_ng = rng.poisson(2**log2_ng).astype(np.float32)
            if study == 0:
                counts_ng[:, ::10] = np.nan
            samples = [f"S{study}-{i}" for i in range(PER_STUDY)]
            writer.add(counts_ng, toy_obs(samples, counts_ng, f"S{study}"))
    return ShardStore.open(folder)
