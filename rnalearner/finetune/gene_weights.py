"""What the gene guide makes of an encoder's readout of each gene. Shapes: g genes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rnalearner.guide.gene_guide import GeneGuide


def gene_weights(guide: GeneGuide, genes: Sequence[str], power: float) -> Tensor:
    """guide ** power / (residual spread + its median), float32 g, of mean square 1 over known genes.

    What counts is how much a gene moves in units of its noise. A gene that the guide does not know
    counts nothing; where it knows none, all count alike.
    """
    said = guide.reindexed(genes)
    known_g = ~np.isnan(said.guide_g)
    if not known_g.any():
        return torch.ones(len(genes))
    noise_g = np.maximum(said.residual_g + np.nanmedian(said.residual_g), 1e-6)
    weight_g = np.where(known_g, said.guide_g**power / noise_g, 0.0)
    typical = max(float(np.sqrt(np.mean(weight_g[known_g] ** 2))), 1e-12)
    return torch.from_numpy((weight_g / typical).astype(np.float32))
