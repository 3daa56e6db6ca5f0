"""New samples as classifiers can be asked about them. Shapes: n samples, g genes of the classifiers."""

from dataclasses import dataclass

import anndata
import numpy as np

from rnalearner.counts.genes import GeneSet
from rnalearner.errors import GeneError

MIN_MATCHED = 0.5
"""Share of the model's genes that a table must have: below it, it is of another species or kind of id."""


@dataclass(frozen=True, eq=False)
class Question:
    """The samples, their columns being the classifiers' genes; NaN: not measured."""

    counts_ng: np.ndarray
    total_n: np.ndarray
    """All reads of the sample's file."""
    coverage_n: np.ndarray
    """Share of the genes that are measured."""
    quality: list[str]
    """Why a sample cannot be asked: what training would have dropped; "" where it can."""

    @property
    def asked_n(self) -> np.ndarray:
        """True for samples that can be asked: they alone are the cohort."""
        return np.array([not fault for fault in self.quality], dtype=bool)


def question(samples: anndata.AnnData, gene_set: GeneSet, min_expressed_genes: int) -> Question:
    """Align `samples` (as `read_counts` gives them); raises GeneError where too few genes are measured."""
    counts_ng = gene_set.align(samples)
    coverage_n = (~np.isnan(counts_ng)).mean(1)
    if coverage_n.max() < MIN_MATCHED:
        what = f"measures {coverage_n.max():.0%} of the {len(gene_set)} genes that the classifiers know"
        raise GeneError("predict.table", what, "check species and gene ids, or learn from genes it has")
    least = max(1, min_expressed_genes)
    quality = [
        "" if n >= least else f"expresses {n} genes, fewer than {least}" for n in samples.obs["n_expressed"]
    ]
    return Question(counts_ng, samples.obs["total"].to_numpy(float), coverage_n, quality)
