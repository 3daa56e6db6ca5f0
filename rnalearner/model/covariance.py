"""What varies together within studies: its principal directions, as gene vectors and as a predictor.

Shapes: n samples, g genes, k components, d dimensions.
"""

from dataclasses import dataclass

import numpy as np

from rnalearner.config.model import Gene2vecConfig
from rnalearner.model.gene2vec import GeneVectors, study_residuals
from rnalearner.shards.read import ShardStore

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
        gram_nn = units_ng.astype(np.float64) @ units_ng.T.astype(np.float64)
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


def covariance_vectors(store: ShardStore, rows: np.ndarray, config: Gene2vecConfig, dim: int) -> GeneVectors:
    """Gene vectors that are the gene's loadings on the `dim` strongest directions, each of one length.

    One length for every direction, because what a strong one has more of would drown the others. A gene
    that does not vary within studies has the vector 0: nothing is known of it, and nothing is said.
    Directions that the samples are too few for are 0 as well.
    """
    residuals_ng = study_residuals(store, rows, config.max_samples, np.random.default_rng(config.seed))
    units_ng = residuals_ng / units_of_spread(residuals_ng.std(0))
    covariance = Covariance.of(units_ng, dim)
    vectors_gd = np.zeros((len(store.gene_set), dim), np.float32)
    vectors_gd[:, : covariance.loadings_gk.shape[1]] = covariance.loadings_gk
    vectors_gd /= max(float(np.sqrt(np.mean(vectors_gd**2))), 1e-30)
    n_unknown = int((residuals_ng == 0).all(0).sum())
    return GeneVectors(
        vectors_gd, store.gene_set, n_unknown, config.model_dump(mode="json", exclude={"path"})
    )
