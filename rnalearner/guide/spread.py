"""How far a sample lies from its group, by gene: what a gene does when nothing was done to it.

Shapes: n samples, g genes.
"""

import numpy as np


class ResidualSpread:
    """Running sums over the studies of a corpus."""

    def __init__(self, n_genes: int) -> None:
        self._squares_g = np.zeros(n_genes)
        self._degrees_g = np.zeros(n_genes)

    def add(self, values_ng: np.ndarray, labels_n: np.ndarray) -> None:
        """One study, on a log scale; a gene with NaN in any sample is left out of it.

        The mean of each label is removed where labels repeat, else the mean of the study: then what was
        done to the samples counts as spread too.
        """
        if len(np.unique(labels_n)) == len(labels_n):
            labels_n = np.full(len(labels_n), "")
        residual_ng = values_ng.astype(np.float64)
        groups = np.unique(labels_n)
        for group in groups:
            residual_ng[labels_n == group] -= residual_ng[labels_n == group].mean(0)
        squares_g = np.square(residual_ng).sum(0)
        known_g = ~np.isnan(squares_g)
        self._squares_g[known_g] += squares_g[known_g]
        self._degrees_g[known_g] += len(labels_n) - len(groups)

    def residual(self) -> np.ndarray:
        """Root of the mean squared residual, g: squares over degrees of freedom, NaN without any."""
        mean_g = np.full(len(self._squares_g), np.nan)
        np.divide(self._squares_g, self._degrees_g, out=mean_g, where=self._degrees_g > 0)
        return np.sqrt(mean_g)
