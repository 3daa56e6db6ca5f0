"""A map of samples: UMAP of some, the others beside those that they resemble.

Shapes: n samples, m samples that the map is made of, k components.
"""

import warnings
from functools import partial

import numpy as np
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from rnalearner.each import Each, one_by_one

N_NEIGHBOURS = 5
"""Mapped samples that a sample is placed among."""
PLACED_AT_ONCE = 1024


def umap_positions(scores_nk: np.ndarray, seed: int) -> np.ndarray:
    """UMAP of the scores, n x 2; one thread, because only then does a seed give the same map."""
    with warnings.catch_warnings():
        # umap mentions at import that its neural variant, which is not used, lacks Tensorflow.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        from umap import UMAP  # here, not above: its import takes seconds
    # Starting from the components, not from a spectral layout, which small or split graphs lack.
    settings = {"n_neighbors": min(15, len(scores_nk) - 1), "init": "pca", "random_state": seed}
    return np.asarray(UMAP(**settings, n_jobs=1).fit_transform(scores_nk), dtype=np.float32)


def placed(
    scores_nk: np.ndarray, mapped: np.ndarray, positions_m2: np.ndarray, each: Each = one_by_one
) -> np.ndarray:
    """Positions of all samples, n x 2: `mapped` ones (places in `scores_nk`) have `positions_m2`.

    Each other sample stands at the mean of its nearest mapped samples, the nearer ones counting more.
    """
    positions_n2 = np.empty((len(scores_nk), 2), dtype=np.float32)
    positions_n2[mapped] = positions_m2
    others = np.setdiff1d(np.arange(len(scores_nk)), mapped)
    if len(others):
        n_neighbours = min(N_NEIGHBOURS, len(mapped))
        known = NearestNeighbors(n_neighbors=n_neighbours, algorithm="brute").fit(scores_nk[mapped])
        parts = [others[i : i + PLACED_AT_ONCE] for i in range(0, len(others), PLACED_AT_ONCE)]
        work = partial(_between, known, scores_nk, positions_m2)
        for part, part_n2 in zip(parts, each(work, parts), strict=True):
            positions_n2[part] = part_n2
    return positions_n2


def _between(
    known: NearestNeighbors, scores_nk: np.ndarray, positions_m2: np.ndarray, part: np.ndarray
) -> np.ndarray:
    with threadpool_limits(1, user_api="openmp"):
        distance_nc, nearest_nc = known.kneighbors(scores_nk[part])
    # Relative to the sample's own nearest one, so that the unit of the scores does not matter.
    unit_n1 = np.maximum(distance_nc[:, :1], np.finfo(np.float32).tiny)
    weight_nc = 1 / np.maximum(distance_nc / unit_n1, 1)
    weight_nc /= weight_nc.sum(axis=1, keepdims=True)
    return np.einsum("nc,ncx->nx", weight_nc, positions_m2[nearest_nc])
