"""A corpus whose co-expression is known: two modules, and genes that differ between studies only."""

from pathlib import Path

import numpy as np
import pandas as pd

from rnalearner.config import PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

N_STUDIES, N, MODULE = 4, 20, 15
GENES = GeneSet(tuple(f"ENSMUSG{i:011d}" for i in range(2 * MODULE + 10)))


def write_two_modules(folder: Path) -> ShardStore:
    """4 studies of 20 samples: two modules of 15 genes vary within them, 10 genes only between them.

    Gene 38 is above zero in one sample only, gene 39 is measured in none of study 1 to 3.
    """
    rng = np.random.default_rng(0)
    with ShardWriter(folder, GENES, PreprocessingConfig(), ShardConfig(rows_per_group=8)) as writer:
        for study in range(N_STUDIES):
            activity_n2 = rng.normal(size=(N, 2))
            log_ng = 8 + 0.3 * rng.normal(size=(N, len(GENES)))
            log_ng[:, :MODULE] += activity_n2[:, :1]
            log_ng[:, MODULE : 2 * MODULE] += activity_n2[:, 1:]
            log_ng[:, 2 * MODULE :] += 3 * (study % 2)
            counts_ng = np.round(2**log_ng).astype(np.float32)
            counts_ng[:, 38] = 0
            counts_ng[0, 38] = 500 * (study == 0)
            counts_ng[:, 39] = counts_ng[:, 0] if study == 0 else np.nan
            obs = {"sample": [f"{study}-{i}" for i in range(N)], "study": f"SRP{study}", "modality": "bulk"}
            obs |= {"subject": "", "tissue": "", "total": np.full(N, 1e6), "n_expressed": 30}
            writer.add(counts_ng, pd.DataFrame(obs))
    return ShardStore.open(folder)
