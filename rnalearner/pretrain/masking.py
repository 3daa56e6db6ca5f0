"""Which genes of a sample are hidden, and what stands in their place.

Shapes: n samples, g genes, m masked positions of the whole batch.
"""

from collections.abc import Sequence
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
        moved = (getattr(self, name).to(device) for name in ("inputs_ng", "sample_m", "gene_m", "label_m"))
        return MaskedBatch(*moved)


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
    eligible_ng = (bins_ng > 0) & (bins_ng < vocabulary.n_bins)
    chosen_ng = eligible_ng & (uniform_ng < mask_share)
    replaced_ng = chosen_ng & (uniform_ng < mask_share * replace_share)
    inputs_ng = np.where(replaced_ng, np.uint8(vocabulary.mask), bins_ng.astype(np.uint8))
    sample_m, gene_m = np.nonzero(chosen_ng)
    return MaskedBatch(
        inputs_ng=torch.from_numpy(inputs_ng),
        sample_m=torch.from_numpy(sample_m),
        gene_m=torch.from_numpy(gene_m),
        label_m=torch.from_numpy(bins_ng[chosen_ng].astype(np.int64)),
    )


def mask_values(values_ng: np.ndarray, uniform_ng: np.ndarray, mask_share: float) -> MaskedBatch:
    """Hide each measured value (centred log2 CPM) with probability `mask_share`, given uniform draws.

    All of them become HIDDEN: one that stays could be read off where it stands. A value of exactly 0 is
    never chosen: a gene that is the same in all of a study's samples says nothing, as bin 0 does not.
    """
    chosen_ng = (uniform_ng < mask_share) & ~np.isnan(values_ng) & (values_ng != 0)
    sample_m, gene_m = np.nonzero(chosen_ng)
    return MaskedBatch(
        inputs_ng=torch.from_numpy(np.where(chosen_ng, np.float32(HIDDEN), values_ng)),
        sample_m=torch.from_numpy(sample_m),
        gene_m=torch.from_numpy(gene_m),
        label_m=torch.from_numpy(values_ng[chosen_ng]),
    )


def row_draws(
    rows: Sequence[int] | np.ndarray, n_genes: int, seed: int, purpose: str, epoch: int
) -> np.ndarray:
    """Uniform draws n x g, one generator a row: the same however rows lie in batches and ranks."""
    draws = [
        counter_generator(seed, purpose, epoch, int(row)).random(n_genes, dtype=np.float32) for row in rows
    ]
    return np.stack(draws) if draws else np.empty((0, n_genes), np.float32)
