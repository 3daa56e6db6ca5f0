from collections.abc import Callable

import numpy as np
import pytest

from rnalearner.config import ModelConfig, PretrainConfig
from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.step import PretrainModel, new_pretrain_model
from rnalearner.shards.read import ShardStore
from tests.toy_corpus import N_GENES, write_toy_corpus

MODEL = ModelConfig(dim=8, depth=1, heads=2, dim_head=4, n_features=8, feedforward_mult=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    return write_toy_corpus(tmp_path_factory.mktemp("toy") / "shards")


@pytest.fixture
def make_data(store: ShardStore) -> Callable[..., PretrainData]:
    """PretrainData of the toy corpus: study 5 is held out; keywords are fields of PretrainConfig."""

    def make(**fields: object) -> PretrainData:
        config = PretrainConfig.model_validate({"batch_size": 4, "evaluate_every": 3, **fields})
        return PretrainData(store, np.arange(40), np.arange(40, 48), config, shuffle_groups=2)

    return make


@pytest.fixture
def make_model(store: ShardStore) -> Callable[..., PretrainModel]:
    def make(data: PretrainData, **fields: object) -> PretrainModel:
        model = MODEL.model_copy(update=fields)
        vectors_gd = np.random.default_rng(3).standard_normal((N_GENES, model.dim))
        return new_pretrain_model(model, data.config, store.preprocessing, vectors_gd, data.histogram())

    return make
