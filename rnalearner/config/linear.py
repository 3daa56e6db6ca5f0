"""The guided linear learner."""

from typing import Literal

from pydantic import Field

from rnalearner.config.section import Section

LinearMethod = Literal["bagged_l1", "l1", "ridge", "moderated_t"]


class LinearConfig(Section):
    """One weight a gene, learned from a few labelled samples behind the gene guide."""

    method: LinearMethod = "bagged_l1"
    """`bagged_l1`: mean of L1 logistic regressions, each on a random part of the genes. `l1`: one of
    them, on all genes. `ridge`: L2, each gene divided by its residual spread in the corpus.
    `moderated_t`: the difference of means over a variance moderated by the corpus' residual spread."""
    guide: bool = True
    """Scale genes by the gene guide, where there is one: of the run's corpus, or of the published model."""
    guide_power: float = Field(0.5, ge=0)
    """Genes are multiplied by guide ** power: 0 is no guide; what is learned falls with the penalty."""
    cohort_centring: bool = True
    """Subtract each dataset's own unlabelled mean: transductive, and said so."""
    c: float = Field(10.0, gt=0)
    """Inverse strength of the L1 penalty."""
    bags: int = Field(20, ge=1)
    """Regressions of `bagged_l1`."""
    bag_share: float = Field(0.4, gt=0, le=1)
    """Share of the genes that each of them sees."""
    min_cpm: float = Field(1.0, ge=0)
    """Genes whose mean CPM over the training cohort is not above this are left out."""
    seed: int = 0
