"""A tiny encoder and samples of two groups that bins tell apart."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.model.build import new_encoder
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.scouts.contrast import Contrast

N_GENES, PER_GROUP = 12, 20
MODEL = ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8)


@pytest.fixture
def make_encoder() -> Callable[[], ExpressionEncoder]:
    def make() -> ExpressionEncoder:
        vectors_gd = torch.randn(N_GENES, MODEL.dim, generator=torch.Generator().manual_seed(1))
        return new_encoder(MODEL, PreprocessingConfig(n_bins=8), vectors_gd, seed=0)

    return make


@pytest.fixture
def tokens_ng() -> np.ndarray:
    """Rows of group 0 then 1: the groups differ in the bins of the first six genes."""
    rng = np.random.default_rng(2)
    tokens_ng = rng.integers(2, 5, (2 * PER_GROUP, N_GENES))
    tokens_ng[PER_GROUP:, :6] += 3
    return tokens_ng.astype(np.uint8)


@pytest.fixture
def contrast() -> Contrast:
    return Contrast("group 0 against 1", "", np.arange(PER_GROUP), np.arange(PER_GROUP, 2 * PER_GROUP))
