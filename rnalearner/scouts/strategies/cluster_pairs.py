"""The published strategy: pairs of sample clusters, drawn so that none is left out."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.clusters import clusters_of, eligible_clusters
from rnalearner.scouts.strategies.sizes import capped


def cluster_pairs(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """First a cover: every cluster is in one pair. Then further pairs, all distinct.

    Up to `n_contrasts`, or to the number of pairs there are. Each side has `max_samples` / 2 samples
    at most. Raises RecipeError where fewer than two clusters are large enough.
    """
    eligible, left_out = eligible_clusters(samples, config)
    yield from left_out
    for pair in _pairs(eligible, n_contrasts, rng):
        yield pair_contrast(samples, pair, config, rng)


def pair_contrast(
    samples: ScoutedSamples, pair: tuple[int, int], config: ContrastConfig, rng: np.random.Generator
) -> Contrast:
    """Sample cluster a against b, each with `max_samples` / 2 samples at most."""
    sides = (samples.rows_n[clusters_of(samples) == label] for label in pair)
    rows_a, rows_b = (capped(rows, config.max_samples // 2, rng) for rows in sides)
    return Contrast("sample cluster {} against {}".format(*pair), "", rows_a, rows_b)


def _pairs(clusters: list[int], n_contrasts: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """A random cover of `clusters` by pairs, then random others, none twice."""
    shuffled = [int(label) for label in rng.permutation(clusters)]
    cover = [_pair(*shuffled[i : i + 2]) for i in range(0, len(shuffled) - 1, 2)]
    if len(shuffled) % 2:
        cover.append(_pair(shuffled[-1], int(rng.choice(shuffled[:-1]))))
    others = [pair for pair in combinations(sorted(clusters), 2) if pair not in cover]
    n_more = min(max(n_contrasts - len(cover), 0), len(others))
    return cover + [others[i] for i in rng.choice(len(others), n_more, replace=False)] if n_more else cover


def _pair(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)
