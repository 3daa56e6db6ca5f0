"""What pretraining starts from: its data, what the training samples say beforehand, the trivial scores."""

from typing import NamedTuple

import numpy as np

from rnalearner.config import RunConfig
from rnalearner.pretrain.baselines import TrivialScore
from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.centred_baselines import centred_trivial_score, corpus_covariance
from rnalearner.pretrain.centring import Centring
from rnalearner.pretrain.split import choose_rows
from rnalearner.shards.read import ShardStore


class Start(NamedTuple):
    """All that workers need beside the store and the recipe."""

    data: PretrainData
    known: np.ndarray
    """As `new_pretrain_model` takes it: histograms of bins, or the genes' units."""
    trivial: TrivialScore


def start_of(store: ShardStore, config: RunConfig, rows_train: np.ndarray, rows_valid: np.ndarray) -> Start:
    """From rows of the shards, of different studies; of the held-out ones at most so many are scored.

    Raises RecipeError where there is not one batch for every worker.
    """
    settings, groups = config.pretrain, config.shards.shuffle_groups
    scored = choose_rows(rows_valid, settings.validation_samples, settings.seed)
    data = PretrainData(store, rows_train, scored, settings, groups)
    data.plan(epoch=0, rank=0, num_ranks=settings.num_workers)  # fails here, not on the workers
    if config.model.values == "bins":
        histogram_gb = data.histogram()
        return Start(data, histogram_gb, data.trivial(histogram_gb))
    # The means of all held-out samples: those that are scored are centred by their whole study.
    centring = Centring.of(store, rows_train, rows_valid)
    data = PretrainData(store, rows_train, scored, settings, groups, centring)
    covariance = corpus_covariance(store, rows_train, centring, settings.seed)
    trivial = centred_trivial_score(data.validation(), centring.unit_g, covariance)
    return Start(data, centring.unit_g, trivial)
