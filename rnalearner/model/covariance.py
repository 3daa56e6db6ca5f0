"""What varies together within studies: its principal directions, as gene vectors and as a predictor.

Shapes: n samples, g genes, k components, d dimensions.
"""

from dataclasses import dataclass

import numpy as np

from rnalearner.config.model import Gene2vecConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.model.co_expression import ResidualSketch
from rnalearner.model.gene2vec import OTHERS_FILES, GeneVectors

UNIT_FLOOR = 0.25
"""Share of the median spread that is added to a gene's own: a gene that hardly varies is not blown up."""


def units_of_spread(spread_g: np.ndarray) -> np.ndarray:
    """What a gene's residual (log2 CPM) is divided by, from its spread; above 0."""
    varies_g = spread_g > 0
    floor = UNIT_FLOOR * float(np.median(spread_g[varies_g])) if varies_g.any() else 1.0
    return np.asarray(spread_g + floor, np.float32)


@dataclass(frozen=True, eq=False)
class Covariance:
    """Principal directions of residuals in units, orthonormal, with the variance along each.

    Taken as a model, residuals are normal with covariance loadings diag(variance) loadings' + noise:
    probabilistic PCA (Tipping & Bishop 1999).
    """

    loadings_gk: np.ndarray
    variance_k: np.ndarray

    NOISE = 1.0
    """Variance of what the components leave, in squared units; from .3 to 10 it scores alike."""

    @classmethod
    def of(cls, units_ng: np.ndarray, n_components: int) -> "Covariance":
        """From n residuals in units (0 = not measured); at most `n_components`, fewer where n is less."""
        gram_nn = np.zeros((len(units_ng), len(units_ng)))
        for start in range(0, units_ng.shape[1], 1024):  # all genes at once in float64 would be a copy
            part_nb = units_ng[:, start : start + 1024].astype(np.float64)
            gram_nn += part_nb @ part_nb.T
        variance_n, left_nn = np.linalg.eigh(gram_nn / max(len(units_ng), 1))
        order = np.argsort(-variance_n)[:n_components]
        # Centred samples are fewer dimensions than their number: what is left is rounding.
        order = order[variance_n[order] > 1e-6 * max(float(variance_n.max(initial=0)), 1e-30)]
        loadings_gk = units_ng.T @ left_nn[:, order]
        loadings_gk /= np.maximum(np.linalg.norm(loadings_gk, axis=0), 1e-30)
        return cls(loadings_gk.astype(np.float32), variance_n[order].astype(np.float32))

    def predict(self, units_ng: np.ndarray, seen_ng: np.ndarray) -> np.ndarray:
        """The mean of every gene given those seen, n x g, under the model above."""
        predicted_ng = np.zeros_like(units_ng)
        for units_g, seen_g, target_g in zip(units_ng, seen_ng, predicted_ng, strict=True):
            seen_gk = self.loadings_gk[seen_g]
            precision_kk = seen_gk.T @ seen_gk + np.diag(self.NOISE / self.variance_k)
            target_g[:] = self.loadings_gk @ np.linalg.solve(precision_kk, seen_gk.T @ units_g[seen_g])
        return predicted_ng


def covariance_vectors(
    sketch: ResidualSketch, gene_set: GeneSet, config: Gene2vecConfig, dim: int
) -> GeneVectors:
    """Gene vectors that are the gene's loadings on the `dim` strongest directions, each of one length.

    One length for every direction, because what a strong one has more of would drown the others. A gene
    that does not vary within studies has the vector 0: nothing is known of it, and nothing is said.
    Directions that the samples are too few for are 0 as well.
    """
    residuals_rg = sketch.residuals_rg
    covariance = Covariance.of(residuals_rg / units_of_spread(residuals_rg.std(0)), dim)
    vectors_gd = np.zeros((len(gene_set), dim), np.float32)
    vectors_gd[:, : covariance.loadings_gk.shape[1]] = covariance.loadings_gk
    vectors_gd /= max(float(np.sqrt(np.mean(vectors_gd**2))), 1e-30)
    n_unknown = int((~residuals_rg.any(0)).sum())
    about = config.model_dump(mode="json", exclude=OTHERS_FILES)
    return GeneVectors(vectors_gd, gene_set, n_unknown, about)
