"""What is read off the encoder: a masked bin, or the group of a sample."""

from typing import Literal

import torch
from torch import Tensor, nn


class MaskedBinHead(nn.Module):
    """Logits of the bins for masked positions: a linear map of the hidden state plus the gene's prior.

    With the prior set to the gene's log frequencies in the training samples, an untrained head is
    the "gene's own histogram" predictor, and what training adds is what the context tells.
    """

    def __init__(self, dim: int, n_bins: int, n_genes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, n_bins)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.prior_gb = nn.Parameter(torch.zeros(n_genes, n_bins))

    def set_prior(self, log_frequency_gb: Tensor) -> None:
        """Start from log frequencies, genes x bins."""
        with torch.no_grad():
            self.prior_gb.copy_(log_frequency_gb)

    def forward(self, hidden_md: Tensor, gene_m: Tensor) -> Tensor:
        """Hidden states of m masked positions and the column of each one's gene, to logits m x b."""
        return self.linear(hidden_md) + self.prior_gb[gene_m]


class SampleClassifier(nn.Module):
    """Logits of the groups from a sample's hidden states.

    pool: the mean over measured positions, then one linear map. conv: scBERT's head, one number a
    position by a 1 x d convolution, then 512, 128 and the classes, with ReLU between.
    """

    def __init__(self, dim: int, n_genes: int, n_classes: int = 2, kind: Literal["pool", "conv"] = "pool"):
        super().__init__()
        self.kind = kind
        if kind == "pool":
            self.layers = nn.Sequential(nn.Linear(dim, n_classes))
        else:
            self.squeeze = nn.Linear(dim, 1)
            self.layers = nn.Sequential(
                nn.Linear(n_genes + 1, 512),
                nn.ReLU(),
                nn.Linear(512, 128),
                nn.ReLU(),
                nn.Linear(128, n_classes),
            )

    def features(self, hidden_nld: Tensor, measured_nl: Tensor) -> Tensor:
        """A sample's features before the last layers: n x d (pool) or n x l (conv)."""
        if self.kind == "conv":
            return self.squeeze(hidden_nld).squeeze(-1) * measured_nl
        weight_nl = measured_nl.to(hidden_nld.dtype)
        total_nd = torch.einsum("nld,nl->nd", hidden_nld, weight_nl)
        return total_nd / weight_nl.sum(1, keepdim=True)

    def forward(self, hidden_nld: Tensor, measured_nl: Tensor, centre_f: Tensor | None = None) -> Tensor:
        """Logits n x c; `centre_f`, a dataset's mean features, is subtracted where given."""
        features_nf = self.features(hidden_nld, measured_nl)
        if centre_f is not None:
            features_nf = features_nf - centre_f
        return self.layers(features_nf)


def seeded_classifier(
    dim: int, n_genes: int, kind: Literal["pool", "conv"], seed: int, n_classes: int = 2
) -> SampleClassifier:
    """A new head whose first weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SampleClassifier(dim, n_genes, n_classes, kind)
