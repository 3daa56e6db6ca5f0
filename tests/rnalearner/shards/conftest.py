"""A small store of shards: three studies, row groups of 4 and shards of 8 samples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnalearner.config import PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

GENES = GeneSet(tuple(f"ENSMUSG{i:011d}" for i in range(5)))
CONFIG = ShardConfig(rows_per_shard=8, rows_per_group=4, shuffle_groups=2)
SIZES = {"SRP1": 9, "SRP2": 3, "SRP3": 11}


def toy_study(study: str, n: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts of which every value is its own, with a measured zero and an unmeasured gene."""
    counts_ng = 1000.0 * list(SIZES).index(study) + np.arange(n * 5, dtype=np.float32).reshape(n, 5)
    counts_ng[0, 0] = 0
    counts_ng[:, 4] = np.nan
    obs = pd.DataFrame(
        {
            "study": study,
            "modality": "bulk",
            "subject": [f"{study}-m{i}" for i in range(n)],
            "tissue": "liver",
            "total": np.nansum(counts_ng, axis=1, dtype=float) + 10,
            "n_expressed": (counts_ng > 0).sum(axis=1),
        },
        index=pd.Index([f"{study}-{i}" for i in range(n)]),
    )
    return counts_ng.astype(np.float32), obs


@pytest.fixture
def write_store(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "shards", config: ShardConfig = CONFIG) -> Path:
        with ShardWriter(tmp_path / name, GENES, PreprocessingConfig(), config) as writer:
            for study, n in SIZES.items():
                writer.add(*toy_study(study, n))
        return tmp_path / name

    return write


@pytest.fixture
def store(write_store: Callable[..., Path]) -> ShardStore:
    return ShardStore.open(write_store())


@pytest.fixture
def all_counts() -> np.ndarray:
    return np.concatenate([toy_study(study, n)[0] for study, n in SIZES.items()])
