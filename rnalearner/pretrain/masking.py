"""Which genes of a sample are hidden, and what stands in their place.

Shapes: n samples, g genes, m masked positions of the whole batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnalearner.model.values import HIDDEN
from rnalearner.preprocessing.binning import BinVocabulary
from rnalearner.pretrain.counters import counter_generator


@dataclass(frozen=True)
class MaskedBatch:
    """Inputs n x g of all samples, and of every masked position: its sample, gene and true bin or value."""

    inputs_ng: Tensor
    sample_m: Tensor
    gene_m: Tensor
    label_m: Tensor

    @property
    def n_samples(self) -> int:
        return self.inputs_ng.shape[0]

    def to(self, device: torch.device) -> "MaskedBatch":
        """On `device`; from pinned memory the caller does not wait for the copy."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "MaskedBatch":
        """In memory that a GPU reads by itself."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "MaskedBatch":
        return MaskedBatch(*map(change, (self.inputs_ng, self.sample_m, self.gene_m, self.label_m)))


def mask_bins(
    bins_ng: np.ndarray,
    uniform_ng: np.ndarray,
    mask_share: float,
    replace_share: float,
    vocabulary: BinVocabulary,
) -> MaskedBatch:
    """Hide each non-zero measured bin with probability `mask_share`, given uniform draws in [0, 1).

    Of the hidden ones a share `replace_share` becomes MASK, the rest keep their bin, and both are
    predicted. Bin 0 and PAD are never chosen: zeros are most of a sample and say least. One draw
    serves both decisions, because a draw below `mask_share` is again uniform below it.
    """
    chosen_ng = (bins_ng > 0) & (bins_ng < vocabulary.n_bins) & (uniform_ng < mask_share)
    place_m = np.flatnonzero(chosen_ng)
    inputs_ng = bins_ng.astype(np.uint8)
    np.put(inputs_ng, place_m[uniform_ng.take(place_m) < mask_share * replace_share], vocabulary.mask)
    return _batch(inputs_ng, place_m, bins_ng.take(place_m).astype(np.int64))


def mask_values(values_ng: np.ndarray, uniform_ng: np.ndarray, mask_share: float) -> MaskedBatch:
    """Hide each measured value (centred log2 CPM) with probability `mask_share`, given uniform draws.

    All of them become HIDDEN: one that stays could be read off where it stands. A value of exactly 0 is
    never chosen: a gene that is the same in all of a study's samples says nothing, as bin 0 does not.
    """
    chosen_ng = (uniform_ng < mask_share) & ~np.isnan(values_ng) & (values_ng != 0)
    place_m = np.flatnonzero(chosen_ng)
    inputs_ng = np.where(chosen_ng, np.float32(HIDDEN), values_ng)
    return _batch(inputs_ng, place_m, values_ng.take(place_m))


def row_draws(
    rows: Sequence[int] | np.ndarray, n_genes: int, seed: int, purpose: str, epoch: int
) -> np.ndarray:
    """Uniform draws n x g, one generator a row: the same however rows lie in batches and ranks."""
    draws_ng = np.empty((len(rows), n_genes), np.float32)
    for draws_g, row in zip(draws_ng, rows, strict=True):
        counter_generator(seed, purpose, epoch, int(row)).random(dtype=np.float32, out=draws_g)
    return draws_ng


def _batch(inputs_ng: np.ndarray, place_m: np.ndarray, label_m: np.ndarray) -> MaskedBatch:
    """`place_m` counts through the samples' genes: found thrice as fast as pairs of sample and gene."""
    sample_m, gene_m = np.divmod(place_m, inputs_ng.shape[1])
    return MaskedBatch(*map(torch.from_numpy, (inputs_ng, sample_m, gene_m, label_m)))
