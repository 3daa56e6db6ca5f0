"""What the guided arms of the encoder are given: a run's guides, or what a control leaves of them."""

import numpy as np
from torch import Tensor

from rnalearner.config import RunConfig
from rnalearner.finetune.gene_weights import gene_weights
from rnalearner.finetune.model import trained_names
from rnalearner.guide.controls import (
    constant,
    constant_genes,
    restricted,
    shuffled_across,
    shuffled_genes,
    shuffled_within,
)
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.shards.read import ShardStore


class ArmGuides:
    """The run's guides of parameters and of genes, and their controls."""

    def __init__(self, run: RunLayout, config: RunConfig, store: ShardStore) -> None:
        self.run, self.config, self.store = run, config, store
        self.of_genes = config.finetune.head == "gene_readout" or config.finetune.skip == "guided"
        """Whether what is fine-tuned asks a gene guide at all."""
        self._loaded: tuple[Guide, GeneGuide | None] | None = None

    def of(
        self, control: str | None, encoder: ExpressionEncoder, rng: np.random.Generator
    ) -> tuple[Guide | None, GeneGuide | None]:
        if control is None:
            return None, None
        if self._loaded is None:
            own = identity(self.config.model, self.store.preprocessing, self.store.gene_set)
            guide = Guide.load(self.run.guide, own)
            self._loaded = guide, GeneGuide.load(self.run.gene_guide) if self.of_genes else None
        guide, genes = self._loaded
        guide = restricted(guide, trained_names(encoder, self.config.finetune))
        if control == "as_it_is":
            return guide, genes
        if control == "constant":
            return constant(guide), None if genes is None else constant_genes(genes)
        shuffled = shuffled_within(guide, rng) if control == "within" else shuffled_across(guide, rng)
        return shuffled, None if genes is None else shuffled_genes(genes, rng)

    def weights(self, guide: GeneGuide | None) -> Tensor | None:
        """Of the genes, for the head that reads them one by one."""
        settings = self.config.finetune
        if guide is None or settings.head != "gene_readout":
            return None
        return gene_weights(guide, self.store.gene_set.ids, settings.gene_guide_power)
