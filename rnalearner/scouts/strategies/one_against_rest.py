"""Each sample cluster against all the others."""

from collections.abc import Iterator

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.clusters import clusters_of, eligible_clusters
from rnalearner.scouts.strategies.sizes import capped


def one_against_rest(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """A contrast a sample cluster, whatever `n_contrasts` says: there are no others.

    The rest holds the small clusters too. Each side has `max_samples` / 2 samples at most. Raises
    RecipeError where fewer than two clusters are large enough.
    """
    eligible, left_out = eligible_clusters(samples, config)
    yield from left_out
    clusters_n = clusters_of(samples)
    for label in eligible:
        one_n = clusters_n == label
        sides = (samples.rows_n[one_n], samples.rows_n[~one_n])
        rows_a, rows_b = (capped(rows, config.max_samples // 2, rng) for rows in sides)
        yield Contrast(f"sample cluster {label} against the rest", "", rows_a, rows_b)
