"""What lies below the first trained block: computed once a sample where it fits, else at each use.

Shapes: n samples, g genes, l = g + 1 positions, d model width.
"""

from copy import copy

import torch
from torch import Tensor

from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.halves import after_attention


def autocast(device: torch.device) -> torch.autocast:
    """bf16 on GPUs, float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


class FrozenPrefix:
    """Samples as the trained part of an encoder takes them.

    With a frozen part below, its activations need no gradient and never change: they are kept on the
    encoder's device up to `cache_mb`. Without one, the prefix is the embedding alone, which trains.
    """

    def __init__(
        self,
        encoder: ExpressionEncoder,
        tokens_ng: Tensor,
        first: int,
        cache_mb: int,
        batch_size: int = 8,
        stored_nld: Tensor | None = None,
        attended: bool = False,
    ) -> None:
        """`first`: the first trained block. `tokens_ng` may be any integer type, on any device.

        `attended`: the prefix holds that block's attention too (rnalearner.model.halves).

        `stored_nld`: the activations, where they were computed before (rnalearner.model.activations);
        those that do not fit on the encoder's device stay where they are.
        """
        self.encoder, self.first, self.tokens_ng = encoder, first, tokens_ng
        self.attended = attended
        self.device = encoder.gene_vectors_gd.device
        self.rows_n = torch.arange(len(tokens_ng))
        fits = 4 * len(tokens_ng) * (encoder.n_genes + 1) * encoder.config.dim <= cache_mb * 2**20
        self.kept_nld: Tensor | None = None
        self.frozen = first > 0 or attended
        if self.frozen and stored_nld is not None:
            self.kept_nld = stored_nld.to(self.device) if fits else stored_nld
        elif self.frozen and fits:
            parts = tokens_ng.split(batch_size)
            self.kept_nld = torch.cat([self._below(part.to(self.device)) for part in parts])

    def __len__(self) -> int:
        return len(self.rows_n)

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states n x l x d before block `first`, and which positions are measured, n x l."""
        rows = self.rows_n[rows.to(self.rows_n.device)]
        tokens_ng = self.tokens_ng[rows.to(self.tokens_ng.device)].to(self.device)
        measured_nl, kept = self.encoder.measured(tokens_ng), self.kept_nld
        if kept is None:
            return self._below(tokens_ng), measured_nl
        return kept[rows.to(kept.device)].to(self.device), measured_nl

    def subset(self, rows: Tensor) -> "FrozenPrefix":
        """Only these samples, in this order; what is kept of them is shared, not copied."""
        view = copy(self)
        view.rows_n = self.rows_n[rows]
        return view

    def _below(self, tokens_ng: Tensor) -> Tensor:
        with torch.set_grad_enabled(not self.frozen and torch.is_grad_enabled()), autocast(self.device):
            hidden_nld = self.encoder.prefix(tokens_ng, self.first)
            if not self.attended:
                return hidden_nld
            return after_attention(self.encoder, hidden_nld, self.encoder.measured(tokens_ng), self.first)
