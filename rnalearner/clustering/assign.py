"""k-means groups of samples.

Shapes: n samples, k components.
"""

import logging
from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans

log = logging.getLogger(__name__)

N_STARTS = 10
"""Random starts of k-means for each K; the tightest result is kept."""


def drawable_k(scores_nk: np.ndarray, k_list: Sequence[int]) -> list[int]:
    """The K that make sense here: fewer than there are samples, no more than there are distinct ones."""
    distinct = len(np.unique(scores_nk, axis=0))
    return [k for k in k_list if k < len(scores_nk) and k <= distinct]


def assign_sample_clusters(
    scores_nk: np.ndarray, k_list: Sequence[int], rng: np.random.Generator
) -> dict[int, np.ndarray]:
    """Labels (n, int) for each usable K, from 0 = the largest sample cluster to K - 1 = the smallest.

    A K that is not below the number of samples is skipped, with a warning in the log and no key.
    """
    usable = drawable_k(scores_nk, k_list)
    if skipped := [k for k in k_list if k not in usable]:
        log.warning("K = %s skipped: there are only %d samples", skipped, len(scores_nk))
    return {k: _by_size(_k_means(scores_nk, k, rng)) for k in usable}


def _k_means(scores_nk: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    means = KMeans(k, n_init=N_STARTS, random_state=int(rng.integers(2**31)))
    return np.asarray(means.fit_predict(scores_nk))


def _by_size(labels_n: np.ndarray) -> np.ndarray:
    """The same groups, numbered from the largest; ties by the group of the earlier sample."""
    groups, first, sizes = np.unique(labels_n, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    rank = np.empty(groups.max() + 1, dtype=np.int64)
    rank[groups[order]] = np.arange(len(groups))
    return rank[labels_n]
