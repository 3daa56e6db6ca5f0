"""k-means groups of samples.

Shapes: n samples, k components, c centres.
"""

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from rnalearner.each import Each, one_by_one

log = logging.getLogger(__name__)

N_STARTS = 10
"""Random starts of k-means for each K; the tightest result is kept."""
MANY_SAMPLES, FEW_STARTS = 20_000, 3
"""Beyond so many samples there are fewer starts: they differ less, and each takes longer."""


def n_starts(n_samples: int) -> int:
    """Starts of k-means for so many samples."""
    return N_STARTS if n_samples <= MANY_SAMPLES else FEW_STARTS


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
    centres = sample_cluster_centres(scores_nk, k_list, rng)
    return {k: nearest(scores_nk, centres_ck) for k, centres_ck in centres.items()}


def sample_cluster_centres(
    scores_nk: np.ndarray, k_list: Sequence[int], rng: np.random.Generator, each: Each = one_by_one
) -> dict[int, np.ndarray]:
    """Centres c x k, float32, for each usable K, the one with most samples first."""
    usable = drawable_k(scores_nk, k_list)
    if skipped := [k for k in k_list if k not in usable]:
        log.warning("K = %s skipped: there are only %d samples", skipped, len(scores_nk))
    asked = [(k, int(rng.integers(2**31))) for k in usable]
    return dict(zip(usable, each(partial(_centres, scores_nk), asked), strict=True))


def centres_from(scores_nk: np.ndarray, first_n: np.ndarray) -> np.ndarray:
    """Centres c x k of the k-means that starts from the samples at the places `first_n`."""
    return _fitted(scores_nk, KMeans(len(first_n), init=scores_nk[first_n], n_init=1))


def nearest(scores_nk: np.ndarray, centres_ck: np.ndarray) -> np.ndarray:
    """The nearest centre of each sample, n; the lower one of two that are as near.

    What a sample gets depends on no other sample.
    """
    centres = centres_ck.astype(np.float64)
    half_c = (centres**2).sum(axis=1) / 2
    labels_n = np.empty(len(scores_nk), dtype=np.int64)
    for start in range(0, len(scores_nk), 4096):
        part_nk = scores_nk[start : start + 4096].astype(np.float64)
        labels_n[start : start + 4096] = (half_c - part_nk @ centres.T).argmin(axis=1)
    return labels_n


def _centres(scores_nk: np.ndarray, asked: tuple[int, int]) -> np.ndarray:
    k, seed = asked
    return _fitted(scores_nk, KMeans(k, n_init=n_starts(len(scores_nk)), random_state=seed))


def _fitted(scores_nk: np.ndarray, means: KMeans) -> np.ndarray:
    """Centres, the largest sample cluster's first; ties by the earliest sample. One without any goes."""
    # In one thread: several add up in the order in which they end.
    with threadpool_limits(1, user_api="openmp"):
        centres_ck = means.fit(scores_nk).cluster_centers_.astype(np.float32)
    groups, first, sizes = np.unique(nearest(scores_nk, centres_ck), return_index=True, return_counts=True)
    return centres_ck[groups[np.lexsort((first, -sizes))]]
