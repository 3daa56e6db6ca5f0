"""How a centred value enters the encoder: between two neighbouring learned knots, in proportion.

Shapes: n samples, g genes, k knots, d model width.
"""

import torch
from torch import Tensor, nn

HIDDEN = torch.inf
"""Stands for a value that is to be predicted; NaN stands for one that was not measured."""
KNOTS, REACH = 17, 4.0
"""Knots, evenly from -REACH to REACH units. Their number, or plain bins of the same width, changed no
masked score by more than .001 (docs/log.md)."""
LIMIT = 8.0
"""Values beyond so many units are taken for so many: one outlying sample would pull a whole gene."""


class CentredValues(nn.Module):
    """Embeds log2 CPM minus the mean of the sample's study, in units of the gene's spread in the corpus.

    Unlike a bin's embedding it keeps the value: what lies between two knots is between their vectors.
    """

    unit_g: Tensor

    def __init__(self, n_genes: int, dim: int) -> None:
        super().__init__()
        self.knots_kd = nn.Parameter(torch.randn(KNOTS, dim))
        self.hidden_d = nn.Parameter(torch.randn(dim))
        self.register_buffer("unit_g", torch.ones(n_genes))

    def set_unit(self, unit_g: Tensor) -> None:
        """What a value is divided by, log2 CPM a gene; above 0."""
        self.unit_g.copy_(unit_g)

    def units(self, values_ng: Tensor) -> Tensor:
        """Values in the gene's units, clipped to LIMIT; 0 where hidden or not measured."""
        seen_ng = torch.isfinite(values_ng)
        return (torch.where(seen_ng, values_ng, 0.0) / self.unit_g).clamp(-LIMIT, LIMIT)

    def forward(self, values_ng: Tensor) -> Tensor:
        """n x g x d. A gene that was not measured gets what its study's mean would: nobody attends to it."""
        place_ng = (self.units(values_ng).clamp(-REACH, REACH) / REACH + 1) * (KNOTS - 1) / 2
        knots_k = torch.arange(KNOTS, device=values_ng.device)
        # Products with a small matrix: indexing would scatter gradients of every gene into 17 rows.
        weight_ngk = (1 - (place_ng[..., None] - knots_k).abs()).clamp_min(0)
        return torch.where((values_ng == HIDDEN)[..., None], self.hidden_d, weight_ngk @ self.knots_kd)
