"""Every gene that gene-level scouts can use, whatever the model's panel.

Shapes: n samples, g genes of a file.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnalearner.counts.genes import GeneSet
from rnalearner.counts.panel import summed_cpm
from rnalearner.errors import GeneError

if TYPE_CHECKING:
    import anndata

MIN_STUDIES = 2
"""Studies of the corpus that must measure a gene: one alone says nothing that holds elsewhere."""
MIN_CPM = 1.0
"""Mean CPM that a gene must exceed in one study; two of three genes of an annotation never do."""


@dataclass
class WideGenes:
    """What is known of each gene after some studies; no labels take part."""

    n_studies: int = 0
    n_measured: Counter[str] = field(default_factory=Counter)
    expressed: set[str] = field(default_factory=set)

    def add(self, samples: "anndata.AnnData", teaches: bool) -> None:
        """Count one study; one that does not teach may express genes, and is not counted."""
        self.n_studies += teaches
        for gene, cpm in zip(samples.var_names, summed_cpm(samples), strict=True):
            self.n_measured[gene] += teaches
            if cpm > MIN_CPM * samples.n_obs:
                self.expressed.add(gene)

    def choose(self) -> GeneSet:
        """Genes that two studies of the corpus measure (one where there is one; any gene where there is
        none) and that some study expresses, sorted. Raises GeneError where none is left.
        """
        least = min(MIN_STUDIES, self.n_studies)
        chosen = sorted(gene for gene in self.expressed if self.n_measured[gene] >= least)
        if not chosen:
            what = f"no gene that {least} of its studies measure has a mean CPM above {MIN_CPM} anywhere"
            raise GeneError("corpus", what, "check that its tables share a species and a kind of id")
        return GeneSet(tuple(chosen))
