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

    gene_pool: the mean over measured genes of (gene vector x hidden state), then one linear map: a
    linear classifier on every gene's hidden state whose weights are a linear function of the gene's
    vector, so that co-expressed genes vote together. conv: scBERT's head, one number a position by
    a 1 x d convolution, then 512, 128 and the classes, with ReLU between.
    """

    gene_vectors_gd: Tensor

    def __init__(
        self, gene_vectors_gd: Tensor, kind: Literal["gene_pool", "conv"] = "gene_pool", n_classes: int = 2
    ) -> None:
        super().__init__()
        self.kind = kind
        n_genes, dim = gene_vectors_gd.shape
        # The encoder's own: not a second copy in this head's state.
        self.register_buffer("gene_vectors_gd", gene_vectors_gd, persistent=False)
        if kind == "gene_pool":
            self.layers = nn.Sequential(nn.Linear(dim * dim, n_classes))
        else:
            self.squeeze = nn.Linear(dim, 1)
            self.layers = nn.Sequential(
                nn.Linear(n_genes + 1, 512),
                nn.ReLU(),
                nn.Linear(512, 128),
                nn.ReLU(),
                nn.Linear(128, n_classes),
            )

    @property
    def n_features(self) -> int:
        """Length of a sample's features."""
        n_genes, dim = self.gene_vectors_gd.shape
        return dim * dim if self.kind == "gene_pool" else n_genes + 1

    def features(self, hidden_nld: Tensor, measured_nl: Tensor) -> Tensor:
        """A sample's features before the last layers: n x d*d (gene_pool) or n x l (conv)."""
        if self.kind == "conv":
            return self.squeeze(hidden_nld).squeeze(-1) * measured_nl
        measured_ng = measured_nl[:, :-1]  # the extra position is no gene
        weight_ng = (measured_ng / measured_ng.sum(1, keepdim=True)).to(hidden_nld.dtype)
        weighted_ngd = hidden_nld[:, :-1] * weight_ng[..., None]
        vectors_dg = self.gene_vectors_gd.T.to(hidden_nld.dtype)
        return (vectors_dg @ weighted_ngd).flatten(1)


STEP_REACH = 300.0
"""Sum of the absolute features of a typical sample, after `feature_unit`."""


def feature_unit(features_nf: Tensor) -> Tensor:
    """What to divide features by so that one learning rate means the same for every width and arm.

    Samples differ little beside what they share, and Adam moves each weight by about the learning
    rate: so what a step can change in a logit is the rate times a sample's sum of absolute centred
    features, which this sets to STEP_REACH.
    """
    centred_nf = features_nf - features_nf.mean(0)
    return (centred_nf.abs().sum(1).mean() / STEP_REACH).clamp_min(1e-12)


def seeded_classifier(
    gene_vectors_gd: Tensor, kind: Literal["gene_pool", "conv"], seed: int, n_classes: int = 2
) -> SampleClassifier:
    """A new head whose first weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SampleClassifier(gene_vectors_gd, kind, n_classes)
