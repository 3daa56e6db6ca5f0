"""Two kinds of toys: a store with a few-shot task in it, and tokens of two groups for a tiny encoder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rnalearner.config import ModelConfig, PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.finetune.train import LabelledTokens
from rnalearner.model.build import new_encoder
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

N_GENES = 12
MODEL = ModelConfig(dim=8, depth=3, heads=2, dim_head=4, n_features=8, feedforward_mult=2)


@pytest.fixture
def make_encoder() -> Callable[[], ExpressionEncoder]:
    def make() -> ExpressionEncoder:
        vectors_gd = torch.randn(N_GENES, MODEL.dim, generator=torch.Generator().manual_seed(1))
        return new_encoder(MODEL, PreprocessingConfig(n_bins=12), vectors_gd, seed=0)

    return make


@pytest.fixture
def data() -> dict[str, LabelledTokens]:
    """Three datasets of unequal size; in group 1 the first six genes are three bins louder."""

    def dataset(n: int, seed: int) -> LabelledTokens:
        rng = np.random.default_rng(seed)
        y_n = np.arange(n) % 2
        tokens_ng = rng.integers(2, 5, (n, N_GENES))
        tokens_ng[:, :6] += 3 * y_n[:, None]
        return LabelledTokens(torch.from_numpy(tokens_ng.astype(np.uint8)), torch.from_numpy(y_n))

    return {"train": dataset(12, 1), "validation": dataset(8, 2), "test": dataset(22, 3)}


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., ShardStore]:
    """A store of studies given as {study: (labels, subjects)}; `same` sets a sample to another's counts.

    Every sample's counts are its own; `same` is {(study, place): (study, place)}.
    """

    def make(
        studies: dict[str, tuple[Sequence[str], Sequence[str]]],
        same: dict[tuple[str, int], tuple[str, int]] | None = None,
        column: str = "label",
    ) -> ShardStore:
        rng = np.random.default_rng(0)
        counts = {name: rng.poisson(200, (len(labels), 40)) + 1.0 for name, (labels, _) in studies.items()}
        for (study, i), (other, j) in (same or {}).items():
            counts[study][i] = 3 * counts[other][j]  # sequenced again, deeper
        genes = GeneSet(tuple(f"ENSMUSG{gene:011d}" for gene in range(40)))
        folder = tmp_path / f"shards-{len(list(tmp_path.iterdir()))}"
        with ShardWriter(folder, genes, PreprocessingConfig(), ShardConfig(rows_per_group=4)) as writer:
            for study, (labels, subjects) in studies.items():
                obs = pd.DataFrame(
                    {
                        "sample": [f"{study}-{i}" for i in range(len(labels))],
                        "study": study,
                        "modality": "bulk",
                        "subject": list(subjects),
                        "tissue": "",
                        "total": counts[study].sum(1),
                        "n_expressed": 40,
                        column: list(labels),
                    }
                )
                writer.add(counts[study].astype(np.float32), obs)
        return ShardStore.open(folder)

    return make
