"""Every sample beside its own study: what pretraining on centred values subtracts and divides by.

Shapes: n samples, s studies, g genes.
"""

from dataclasses import dataclass

import numpy as np

from rnalearner.model.covariance import units_of_spread
from rnalearner.shards.read import ShardStore


@dataclass(frozen=True, eq=False)
class Centring:
    """The studies' means and the genes' units.

    A study's mean is over all of its samples here, without labels; the units are of the training
    samples alone.
    """

    study_n: np.ndarray
    """For every row of the store, its study's row in `mean_sg`; -1 where it takes no part."""
    mean_sg: np.ndarray
    """Mean log2 CPM, float32; NaN where the study did not measure the gene."""
    unit_g: np.ndarray
    """The spread within studies (residual standard deviation, log2 CPM) and a floor."""

    @classmethod
    def of(cls, store: ShardStore, rows_train: np.ndarray, rows_valid: np.ndarray) -> "Centring":
        """A study at a time; each takes part as a whole, on one side."""
        rows = np.sort(np.concatenate([rows_train, rows_valid]))
        names, number_n = np.unique(store.obs["study"].to_numpy()[rows].astype(str), return_inverse=True)
        study_n = np.full(store.n_obs, -1, np.int64)
        study_n[rows] = number_n
        trained = set(study_n[rows_train])
        mean_sg = np.full((len(names), len(store.gene_set)), np.nan, np.float32)
        squares_g, freedom_g = np.zeros(len(store.gene_set)), np.zeros(len(store.gene_set))
        for study in range(len(names)):
            values_ng = store.values(rows[number_n == study])
            count_g = (~np.isnan(values_ng)).sum(0)
            measured_g = count_g > 0
            mean_sg[study, measured_g] = np.nansum(values_ng, 0)[measured_g] / count_g[measured_g]
            if study in trained:
                squares_g += np.nansum((values_ng - mean_sg[study]) ** 2, 0)
                freedom_g += np.maximum(count_g - 1, 0)
        return cls(study_n, mean_sg, units_of_spread(np.sqrt(squares_g / np.maximum(freedom_g, 1))))

    def centred(self, values_ng: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`values_ng` of the store's `rows` minus their studies' means; float32, NaN stays NaN."""
        centred_ng: np.ndarray = values_ng - self.mean_sg[self.study_n[rows]]
        return centred_ng

    def units(self, store: ShardStore, rows: np.ndarray) -> np.ndarray:
        """Centred values of `rows` in the genes' units, float32 n x g; 0 where not measured."""
        return np.nan_to_num(self.centred(store.values(rows), rows) / self.unit_g)
