"""What a masked score of centred values is worth: a predictor that says nothing, and a linear one.

Shapes: n samples, g genes, m masked positions.
"""

from collections.abc import Iterable

import numpy as np
import torch

from rnalearner.model.covariance import Covariance
from rnalearner.model.values import LIMIT
from rnalearner.pretrain.baselines import TrivialScore
from rnalearner.pretrain.centring import Centring
from rnalearner.pretrain.counters import counter_generator
from rnalearner.pretrain.loss import masked_value_loss
from rnalearner.pretrain.masking import MaskedBatch
from rnalearner.shards.read import ShardStore

MAX_SAMPLES, MAX_COMPONENTS = 2048, 256
"""Samples that the covariance is learned from, and its components, at most: they bound the time."""


def corpus_covariance(store: ShardStore, rows_train: np.ndarray, centring: Centring, seed: int) -> Covariance:
    """The training samples' covariance within studies, in the genes' units."""
    rows = rows_train
    if len(rows) > MAX_SAMPLES:
        chosen = counter_generator(seed, "covariance").choice(rows, MAX_SAMPLES, replace=False)
        rows = np.sort(chosen)
    return Covariance.of(centring.units(store, rows).clip(-LIMIT, LIMIT), MAX_COMPONENTS)


def centred_trivial_score(
    batches: Iterable[MaskedBatch], unit_g: np.ndarray, covariance: Covariance
) -> TrivialScore:
    """Both on the very positions that a validation scores.

    In the place of the commonest bin: the study's own mean, which takes no side, so that its accuracy is
    one half. In the place of the gene's own bins: the mean of the hidden genes given those seen, under the
    corpus' covariance; a linear predictor, and the one to beat (docs/log.md).
    """
    score_3, own_mean = torch.zeros(3, dtype=torch.float64), 0.0
    for batch in batches:
        seen_ng = torch.isfinite(batch.inputs_ng).numpy()
        units_ng = np.where(seen_ng, batch.inputs_ng.numpy(), 0) / unit_g
        predicted_ng = covariance.predict(units_ng.clip(-LIMIT, LIMIT), seen_ng)
        predicted_m = torch.from_numpy(predicted_ng)[batch.sample_m, batch.gene_m]
        truth_m = batch.label_m / torch.from_numpy(unit_g)[batch.gene_m]
        truth_m = truth_m.clamp(-LIMIT, LIMIT)
        score_3 += masked_value_loss(predicted_m, truth_m)[1]
        own_mean += masked_value_loss(torch.zeros_like(truth_m), truth_m)[1][0].item()
    loss, right, n_masked = score_3.tolist()
    n = max(n_masked, 1)
    return TrivialScore(0.5, own_mean / n, right / n, loss / n, int(n_masked))
