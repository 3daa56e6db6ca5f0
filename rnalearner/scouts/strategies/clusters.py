"""The sample clusters that are large enough to scout."""

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import LeftOut
from rnalearner.scouts.samples import ScoutedSamples


def clusters_of(samples: ScoutedSamples) -> np.ndarray:
    """The sample cluster of each sample, n."""
    assert samples.clusters_n is not None, "the jobs give clusters to the strategies that need them"  # noqa: S101
    return samples.clusters_n


def eligible_clusters(samples: ScoutedSamples, config: ContrastConfig) -> tuple[list[int], list[LeftOut]]:
    """Clusters of `config.min_samples` or more, ascending, and a sentence on each of the others.

    Raises RecipeError where there are fewer than two.
    """
    labels, counts = np.unique(clusters_of(samples), return_counts=True)
    left_out = [
        LeftOut(f"sample cluster {label} did not scout: {n} samples, fewer than {config.min_samples}")
        for label, n in zip(labels, counts, strict=True)
        if n < config.min_samples
    ]
    eligible = [int(label) for label in labels[counts >= config.min_samples]]
    if len(eligible) < 2:
        raise RecipeError(
            "scouting",
            f"{len(eligible)} of {len(labels)} sample clusters have {config.min_samples} samples, "
            "two are needed",
            "lower scouting.min_samples or clustering.k, or read more samples",
        )
    return eligible, left_out
