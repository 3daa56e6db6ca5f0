"""Pairs of sample clusters by graded difficulty: from far apart to close together.

Shapes: n samples, g genes, k sample clusters.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.cluster_pairs import pair_contrast
from rnalearner.scouts.strategies.clusters import clusters_of, eligible_clusters
from rnalearner.scouts.strategies.sizes import capped

CENTROID_SAMPLES = 200
"""Samples that a sample cluster's centroid is made of, at most."""


def graded(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """`n_contrasts` pairs at even steps of the order of difficulty, the easiest first.

    Difficulty is the nearness of two centroids: root mean square difference over the genes that both
    measure. Raises RecipeError where fewer than two clusters are large enough.
    """
    eligible, left_out = eligible_clusters(samples, config)
    yield from left_out
    centroids_kg = np.stack([_centroid(samples, label, rng) for label in eligible])
    pairs = list(combinations(range(len(eligible)), 2))
    distances = np.array([_distance(centroids_kg[a], centroids_kg[b]) for a, b in pairs])
    easiest_first = np.argsort(-distances, kind="stable")
    steps = np.unique(np.linspace(0, len(pairs) - 1, min(n_contrasts, len(pairs))).round().astype(int))
    for step in steps:
        a, b = pairs[easiest_first[step]]
        yield pair_contrast(samples, (eligible[a], eligible[b]), config, rng)


def _centroid(samples: ScoutedSamples, label: int, rng: np.random.Generator) -> np.ndarray:
    rows = capped(samples.rows_n[clusters_of(samples) == label], CENTROID_SAMPLES, rng)
    values_ng = samples.read(rows).astype(np.float64)
    measured_g = (~np.isnan(values_ng)).sum(0)
    sums_g = np.nansum(values_ng, axis=0)
    return np.divide(sums_g, measured_g, out=np.full(len(sums_g), np.nan), where=measured_g > 0)


def _distance(a_g: np.ndarray, b_g: np.ndarray) -> float:
    """0 where no gene is measured in both: nothing shows that they differ."""
    squares_g = np.square(a_g - b_g)
    shared_g = ~np.isnan(squares_g)
    return float(np.sqrt(squares_g[shared_g].mean())) if shared_g.any() else 0.0
