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
    """Vectors to load instead: a run's `gene2vec` folder, a text file (`NAME v1 v2 ...`, word2vec's text
    format) or a .npy. Names are Ensembl ids, symbols that `data.genes` knows, or those of `orthologs`."""
    names: Path | None = None
    """Names of the rows of a .npy, one a line."""
    orthologs: Path | None = None
    """For vectors of another species: CSV with a column of their names and one of this run's Ensembl ids."""
    method: Literal["skipgram", "covariance"] = "skipgram"
    """Skip-gram over pairs of co-expressed genes (the paper), or loadings on the strongest directions
    within studies, without the studies that Phase I holds out."""
    min_correlation: float = Field(0.5, gt=0, lt=1)
    """Genes whose expression correlates at least so much within studies are partners."""
    max_pairs_per_gene: int = Field(20, ge=1)
    """The strongest partners of a gene that are kept."""
    max_samples: int | None = Field(None, ge=3)
    """Samples that correlations are taken over, whole studies drawn at random; left out: all of them."""
    sketch_rows: int = Field(4096, ge=16)
    """Rows that samples are summed into, with random signs, where there are more samples: bounds the
    memory at rows x genes x 4 bytes. A correlation is right to about 1 / sqrt(rows)."""
    epochs: int = Field(5, ge=1)
    """Passes of skip-gram over the pairs."""
    sets: Path | None = None
    """CSV of gene sets that the vectors are judged by: do members lie closer than random genes? Columns
    tf, target (and mor: its sign) or set, gene (and sign); genes by Ensembl id, or by symbol where
    `data.genes` is given. Relative to `data.root`."""
    seed: int = 0
