"""What lies below the first trained block: computed once a sample where it fits, else at each use.

Shapes: n samples, g genes, l = g + 1 positions, d model width.
"""

import torch
from torch import Tensor

from rnalearner.model.encoder import ExpressionEncoder


def autocast(device: torch.device) -> torch.autocast:
    """bf16 on GPUs, float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


class FrozenPrefix:
    """Samples as the trained part of an encoder takes them.

    With a frozen part below, its activations need no gradient and never change: they are kept on the
    encoder's device up to `cache_mb`. Without one, the prefix is the embedding alone, which trains.
    """

    def __init__(
        self, encoder: ExpressionEncoder, tokens_ng: Tensor, first: int, cache_mb: int, batch_size: int = 8
    ) -> None:
        """`first`: the first trained block. `tokens_ng` may be any integer type, on any device."""
        self.encoder, self.first, self.tokens_ng = encoder, first, tokens_ng
        self.device = encoder.gene_vectors_gd.device
        size_bytes = 4 * len(tokens_ng) * (encoder.n_genes + 1) * encoder.config.dim
        self.kept_nld: Tensor | None = None
        if first > 0 and size_bytes <= cache_mb * 2**20:
            parts = tokens_ng.split(batch_size)
            self.kept_nld = torch.cat([self._below(part.to(self.device)) for part in parts])

    def __len__(self) -> int:
        return len(self.tokens_ng)

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states n x l x d before block `first`, and which positions are measured, n x l."""
        tokens_ng = self.tokens_ng[rows.to(self.tokens_ng.device)].to(self.device)
        kept = self.kept_nld
        hidden_nld = self._below(tokens_ng) if kept is None else kept[rows.to(self.device)]
        return hidden_nld, self.encoder.measured(tokens_ng)

    def _below(self, tokens_ng: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.first == 0 and torch.is_grad_enabled()), autocast(self.device):
            return self.encoder.prefix(tokens_ng, self.first)
