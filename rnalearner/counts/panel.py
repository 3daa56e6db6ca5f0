"""Which genes a run keeps, when no panel is given: measured nearly everywhere, and expressed.

Shapes: n samples, g genes of a file.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rnalearner.counts.genes import GeneSet
from rnalearner.errors import GeneError

if TYPE_CHECKING:
    import anndata


@dataclass
class PanelStatistics:
    """Running sums over corpus samples; no labels, and no task's samples, take part."""

    n_samples: int = 0
    n_measured: Counter[str] = field(default_factory=Counter)
    cpm_sum: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, samples: "anndata.AnnData") -> None:
        """Count one study: samples in which each gene was measured, and its CPM."""
        self.n_samples += samples.n_obs
        for gene, cpm in zip(samples.var_names, summed_cpm(samples), strict=True):
            self.n_measured[gene] += samples.n_obs
            self.cpm_sum[gene] += float(cpm)

    def choose(self, prevalence: float, min_cpm: float) -> GeneSet:
        """Genes measured in at least `prevalence` of the samples, with a mean CPM above `min_cpm`.

        Sorted by id, so that the order depends on nothing else. Raises GeneError where none is left.
        """
        chosen = sorted(
            gene
            for gene, n_measured in self.n_measured.items()
            if n_measured >= prevalence * self.n_samples and self.cpm_sum[gene] > min_cpm * n_measured
        )
        if not chosen:
            what = f"no gene is measured in {prevalence:.0%} of the corpus with a mean CPM above {min_cpm}"
            raise GeneError("corpus", what, "lower data.panel_prevalence or data.panel_min_cpm")
        return GeneSet(tuple(chosen))


def summed_cpm(samples: "anndata.AnnData") -> np.ndarray:
    """CPM of each gene, summed over the samples, g; samples without counts add nothing."""
    total_n = samples.obs["total"].to_numpy()
    scale_n = np.divide(1e6, total_n, out=np.zeros_like(total_n, dtype=float), where=total_n > 0)
    return np.asarray(scale_n @ samples.layers["counts"])
