"""Principal components of samples that are in memory.

Shapes: n samples, g genes, k components.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from rnalearner.errors import CountsError

MAX_FIT_ROWS = 20_000
"""Components are fitted to this many samples at most: beyond it they hardly move, and memory would."""
PROJECTED_ROWS = 128


@dataclass(frozen=True)
class PrincipalComponents:
    """What a new sample needs to get scores: nothing of the samples already there changes with it."""

    mean_g: np.ndarray
    """Mean over the fitted samples in which the gene was measured; 0 where it never was."""
    axes_kg: np.ndarray
    variance_share_k: np.ndarray
    """Share of the variance along each axis."""

    def project(self, values_ng: np.ndarray) -> np.ndarray:
        """Scores n x k, float32; a gene that was not measured (NaN) counts as average."""
        scores_nk = np.empty((len(values_ng), len(self.axes_kg)), dtype=np.float32)
        # Always as many rows: a product of fewer is summed in another order, and a sample's scores must not
        # depend on those that happen to be read with it.
        block_ng = np.zeros((PROJECTED_ROWS, len(self.mean_g)), dtype=np.float32)
        for start in range(0, len(values_ng), PROJECTED_ROWS):
            n = len(values_ng[start : start + PROJECTED_ROWS])
            np.subtract(values_ng[start : start + n], self.mean_g, out=block_ng[:n])
            np.copyto(block_ng, 0, where=np.isnan(block_ng))
            scores_nk[start : start + n] = (block_ng @ self.axes_kg.T)[:n]
        return scores_nk


def principal_components(
    values_ng: np.ndarray, n_components: int, rng: np.random.Generator
) -> tuple[np.ndarray, PrincipalComponents]:
    """Scores (n x k, float32) and the components of expression on a log scale; NaN = not measured.

    k is `n_components`, or fewer where samples or genes are few. Raises CountsError for fewer than two
    samples or no gene.
    """
    n, g = values_ng.shape
    if n < 2 or g < 1:
        raise CountsError(
            f"{n} samples of {g} genes", "have no principal components", "give two samples or more"
        )
    rows = np.sort(rng.choice(n, MAX_FIT_ROWS, replace=False)) if n > MAX_FIT_ROWS else slice(None)
    fitted_ng = np.array(values_ng[rows], dtype=np.float32)
    measured_g = np.count_nonzero(~np.isnan(fitted_ng), axis=0)
    # The mean in double precision: a float32 sum over 20,000 samples loses the third decimal.
    mean_g = np.nansum(fitted_ng, axis=0, dtype=np.float64) / np.maximum(measured_g, 1)
    mean_g = mean_g.astype(np.float32)
    fitted_ng -= mean_g
    np.copyto(fitted_ng, 0, where=np.isnan(fitted_ng))
    k = min(n_components, len(fitted_ng) - 1, g)  # centring takes one dimension from the samples
    # In the copy's own memory: a second copy would be most of what this needs.
    pca = PCA(k, copy=False, random_state=int(rng.integers(2**31))).fit(fitted_ng)
    axes_kg = pca.components_.astype(np.float32)
    components = PrincipalComponents(mean_g, axes_kg, pca.explained_variance_ratio_)
    return components.project(values_ng), components
