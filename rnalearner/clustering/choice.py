"""What speaks for a number of sample clusters: how apart they are, and whether other samples find the same.

Shapes: n samples, k components, c centres.
"""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from rnalearner.clustering.assign import nearest
from rnalearner.clustering.strata import stratified_rows
from rnalearner.each import Each, one_by_one

JUDGED = 5000
"""Samples that a silhouette, and each part of a draw, is made of: distances are between all pairs."""
N_DRAWS, N_STARTS = 5, 3
DISTANCES_MB = 32

COLUMNS = ("k", "silhouette", "stability", "stability_low", "stability_high", "smallest", "largest")


def choice_of_k(
    scores_nk: np.ndarray,
    groups_n: np.ndarray,
    clusters: Mapping[int, np.ndarray],
    rng: np.random.Generator,
    each: Each = one_by_one,
) -> pd.DataFrame:
    """A row a K, with COLUMNS.

    `silhouette`: mean over samples, as many of each of `groups_n` (their studies) as there are; from -1 to
    1. `stability`: k-means is fitted to two random parts of the samples, and both are asked about a third:
    the adjusted Rand index of the two answers, its mean, lowest and highest of N_DRAWS draws; 1 where they
    agree, 0 where they agree as chance would. NaN where there are too few samples. `smallest`, `largest`:
    samples in the sample clusters.
    """
    judged = stratified_rows(groups_n, JUDGED, rng)
    size = min(JUDGED, len(scores_nk) // 3)
    draws = [rng.permutation(len(scores_nk))[: 3 * size].reshape(3, size) for _ in range(N_DRAWS)]
    seed = int(rng.integers(2**31))
    asked = [(k, labels_n[judged]) for k, labels_n in clusters.items()]
    judge = partial(_judged, scores_nk, judged, draws, seed)
    rows = []
    for (k, labels_n), (silhouette, agreements) in zip(clusters.items(), each(judge, asked), strict=True):
        sizes = np.bincount(labels_n)
        spread = (np.mean(agreements), min(agreements), max(agreements)) if agreements else (math.nan,) * 3
        rows.append((k, silhouette, *spread, sizes[sizes > 0].min(), sizes.max()))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _judged(
    scores_nk: np.ndarray,
    judged: np.ndarray,
    draws: list[np.ndarray],
    seed: int,
    asked: tuple[int, np.ndarray],
) -> tuple[float, list[float]]:
    k, labels_n = asked
    silhouette = math.nan
    if 2 <= len(np.unique(labels_n)) < len(labels_n):
        with config_context(working_memory=DISTANCES_MB):
            silhouette = float(silhouette_score(scores_nk[judged], labels_n))
    return silhouette, [_agreement(scores_nk, draw, k, seed + place) for place, draw in enumerate(draws)]


def _agreement(scores_nk: np.ndarray, draw: np.ndarray, k: int, seed: int) -> float:
    one, other, third = (scores_nk[part] for part in draw)
    if min(len(np.unique(part_nk, axis=0)) for part_nk in (one, other)) < k:
        return math.nan
    # In one thread: several add up in the order in which they end.
    with threadpool_limits(1, user_api="openmp"):
        answers = [
            nearest(third, KMeans(k, n_init=N_STARTS, random_state=seed).fit(part_nk).cluster_centers_)
            for part_nk in (one, other)
        ]
    return float(adjusted_rand_score(*answers))
