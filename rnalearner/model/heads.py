"""What is read off the encoder: a masked bin, or the group of a sample."""

from typing import Literal

import torch
from torch import Tensor, nn

HeadKind = Literal["gene_pool", "conv", "mean_pool", "attention_pool", "gene_readout"]


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


class MaskedValueHead(nn.Module):
    """Masked centred values: what few factors tell, plus a linear map of the hidden state.

    The factors are the directions that the gene vectors span: a sample's score on each is read off the
    genes seen, mapped linearly, and read back at the genes hidden. On studies that it never saw this
    linear path is all that carries over from a small corpus: without it 64 directions, which reach
    .844 of the study's mean's squared error, are at .98 after as many steps (docs/log.md).
    """

    basis_gk: Tensor

    def __init__(self, gene_vectors_gd: Tensor) -> None:
        super().__init__()
        basis_gk, triangle_kk = torch.linalg.qr(gene_vectors_gd.double())
        # A direction that no vector has, such as one of zeros, is none.
        basis_gk = torch.where(triangle_kk.diagonal().abs() > 1e-6, basis_gk, 0.0)
        self.register_buffer("basis_gk", basis_gk.float(), persistent=False)
        dim = gene_vectors_gd.shape[1]
        self.factors_kk = nn.Parameter(0.5 * torch.eye(dim))
        self.linear = nn.Linear(dim, 1, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(
        self, hidden_md: Tensor, units_ng: Tensor, seen_ng: Tensor, at: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Predictions m, in units, at the masked positions `at` (sample_m, gene_m).

        `units_ng`: what is seen, in units, 0 elsewhere; `seen_ng`: where.
        """
        n_genes = seen_ng.shape[1]
        share_n1 = seen_ng.sum(1, keepdim=True).clamp_min(1) / n_genes
        score_nk = units_ng @ self.basis_gk / share_n1 @ self.factors_kk
        return (score_nk @ self.basis_gk.T)[at] + self.linear(hidden_md).squeeze(-1)


class SampleClassifier(nn.Module):
    """Logits of the groups from a sample's hidden states.

    gene_pool: the mean over measured genes of (gene vector x hidden state), then one linear map: a
    linear classifier on every gene's hidden state whose weights are a linear function of the gene's
    vector, so that co-expressed genes vote together. mean_pool: the mean over measured genes, then one
    linear map. attention_pool: the same with learned weights, softmax of (hidden state . a + gene
    vector . b), equal at the start. conv: scBERT's head, one number a position by a 1 x d convolution,
    then 512, 128 and the classes, with ReLU between. gene_readout: one number a gene, by one direction of
    the hidden state for all genes, then one linear map over genes: what the encoder makes of each gene's
    expression in its context, nothing pooled.
    """

    gene_vectors_gd: Tensor
    gene_weight_g: Tensor
    """gene_readout: what each gene's number is multiplied by, as a gene guide says; 1 without one."""

    def __init__(self, gene_vectors_gd: Tensor, kind: HeadKind = "gene_pool", n_classes: int = 2) -> None:
        super().__init__()
        self.kind = kind
        n_genes, dim = gene_vectors_gd.shape
        # The encoder's own: not a second copy in this head's state.
        self.register_buffer("gene_vectors_gd", gene_vectors_gd, persistent=False)
        if kind == "conv":
            self.squeeze = nn.Linear(dim, 1)
            self.layers = nn.Sequential(
                nn.Linear(n_genes + 1, 512),
                nn.ReLU(),
                nn.Linear(512, 128),
                nn.ReLU(),
                nn.Linear(128, n_classes),
            )
        else:
            self.layers = nn.Sequential(nn.Linear(self.n_features, n_classes))
        if kind == "gene_readout":
            self.squeeze = nn.Linear(dim, 1, bias=False)
            self.register_buffer("gene_weight_g", torch.ones(n_genes))
        if kind == "attention_pool":
            self.by_state_d = nn.Parameter(torch.zeros(dim))
            self.by_gene_d = nn.Parameter(torch.zeros(dim))

    @property
    def n_features(self) -> int:
        """Length of a sample's features."""
        n_genes, dim = self.gene_vectors_gd.shape
        return {"gene_pool": dim * dim, "conv": n_genes + 1, "gene_readout": n_genes}.get(self.kind, dim)

    def features(self, hidden_nld: Tensor, measured_nl: Tensor) -> Tensor:
        """A sample's features before the last layers, n x f: d*d (gene_pool), l (conv), g or d."""
        if self.kind == "conv":
            return self.squeeze(hidden_nld).squeeze(-1) * measured_nl
        # The extra position is no gene.
        hidden_ngd, measured_ng = hidden_nld[:, :-1], measured_nl[:, :-1]
        if self.kind == "gene_readout":
            return self.squeeze(hidden_ngd).squeeze(-1) * measured_ng * self.gene_weight_g
        return self._pooled(hidden_ngd, measured_ng, self.gene_vectors_gd)

    def features_of_some(self, hidden_ngd: Tensor, measured_ng: Tensor, genes: Tensor) -> Tensor:
        """The same from the hidden states of some genes alone, as if they stood for all; not for conv."""
        if self.kind != "gene_readout":
            return self._pooled(hidden_ngd, measured_ng, self.gene_vectors_gd[genes])
        read_ng = self.squeeze(hidden_ngd).squeeze(-1) * measured_ng * self.gene_weight_g[genes]
        share = len(genes) / self.n_features
        return read_ng.new_zeros(len(read_ng), self.n_features).index_copy(1, genes, read_ng / share)

    def weight_by_gene(self) -> Tensor:
        """What the first layer makes of each gene, g x any: of gene_pool and conv, linear in its weights."""
        weight_of = self.get_parameter("layers.0.weight").detach()
        if self.kind == "conv":
            return weight_of[:, :-1].T
        if self.kind != "gene_pool":
            raise ValueError(f"the head {self.kind} has no weights by gene of its own")
        dim = self.gene_vectors_gd.shape[1]
        return torch.einsum("gv,cvd->gcd", self.gene_vectors_gd, weight_of.view(-1, dim, dim)).flatten(1)

    def _pooled(self, hidden_ngd: Tensor, measured_ng: Tensor, vectors_gd: Tensor) -> Tensor:
        if self.kind == "attention_pool":
            score_ng = hidden_ngd @ self.by_state_d + vectors_gd @ self.by_gene_d
            weight_ng = score_ng.masked_fill(~measured_ng, -torch.inf).softmax(1)
            return (weight_ng[:, None] @ hidden_ngd).squeeze(1)
        weight_ng = (measured_ng / measured_ng.sum(1, keepdim=True)).to(hidden_ngd.dtype)
        weighted_ngd = hidden_ngd * weight_ng[..., None]
        if self.kind == "mean_pool":
            return weighted_ngd.sum(1)
        vectors_dg = vectors_gd.T.to(hidden_ngd.dtype)
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
    gene_vectors_gd: Tensor, kind: HeadKind, seed: int, n_classes: int = 2
) -> SampleClassifier:
    """A new head whose first weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SampleClassifier(gene_vectors_gd, kind, n_classes)
