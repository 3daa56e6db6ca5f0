"""The encoder and the gene vectors that it starts from."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from rnalearner.config.section import Section


class ModelConfig(Section):
    """A Performer encoder over genes."""

    path: Path | None = None
    """A published model to start from (`rnalearner export`): its genes, scale, sizes, weights and
    guide are taken, and Phases I and II are not run."""
    dim: int = Field(200, ge=4)
    """Width of a position, and length of a gene vector."""
    depth: int = Field(6, ge=1)
    """Blocks."""
    heads: int = Field(10, ge=1)
    """Attention heads."""
    dim_head: int = Field(64, ge=1)
    """Width of a head."""
    n_features: int = Field(266, ge=1)
    """Random features of FAVOR+ a head."""
    feedforward_mult: int = Field(4, ge=1)
    """Width of the feed-forward layer, in `dim`s."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in feed-forward and attention output."""
    values: Literal["bins", "interpolated"] = "bins"
    """What a position is told of its gene: the bin of its expression, which Phase I masks and predicts
    (the paper), or its expression minus the mean of the sample's study, in units of the gene's spread,
    which Phase I masks and predicts as a number."""


class Gene2vecConfig(Section):
    """Gene vectors from co-expression."""

    path: Path | None = None
    """Vectors to load instead (safetensors with `vectors_gd` and the gene ids)."""
    method: Literal["skipgram", "covariance"] = "skipgram"
    """Skip-gram over pairs of co-expressed genes (the paper), or loadings on the strongest directions
    within studies, without the studies that Phase I holds out."""
    min_correlation: float = Field(0.5, gt=0, lt=1)
    """Genes whose expression correlates at least so much within studies are partners."""
    max_pairs_per_gene: int = Field(20, ge=1)
    """The strongest partners of a gene that are kept."""
    max_samples: int = Field(4096, ge=3)
    """Samples that correlations are taken over, whole studies drawn at random: bounds the memory."""
    epochs: int = Field(5, ge=1)
    """Passes of skip-gram over the pairs."""
    seed: int = 0
