"""Contrasts inside one study: of its labels where it has some, else without labels."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.labelled import labelled
from rnalearner.scouts.strategies.sizes import MIN_SIDE
from rnalearner.scouts.strategies.within_study import within_study


def inside_study(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """`labelled` over the studies with two labels, `within_study` over the others, each its share.

    Raises RecipeError where neither finds a contrast.
    """
    studies, study_n = np.unique(samples.studies_n, return_inverse=True)
    has_labels = np.array([_two_labels(samples.labels_n[study_n == s]) for s in range(len(studies))])
    found, why = False, RecipeError("scouting", "there is no study", "read more samples")
    for strategy, chosen in ((labelled, has_labels), (within_study, ~has_labels)):
        if not chosen.any():
            continue
        share = max(1, round(n_contrasts * chosen.mean()))
        try:
            for item in strategy(_only(samples, chosen[study_n]), config, share, rng):
                found |= isinstance(item, Contrast)
                yield item
        except RecipeError as error:  # the other kind may have found some
            why = error
    if not found:
        raise why


def _two_labels(labels_n: np.ndarray) -> bool:
    """Whether some label has enough samples, and the others together have."""
    _, counts = np.unique(labels_n[labels_n != ""], return_counts=True)
    return bool(((counts >= MIN_SIDE) & (counts.sum() - counts >= MIN_SIDE)).any())


def _only(samples: ScoutedSamples, chosen_n: np.ndarray) -> ScoutedSamples:
    clusters_n = None if samples.clusters_n is None else samples.clusters_n[chosen_n]
    return replace(
        samples,
        rows_n=samples.rows_n[chosen_n],
        studies_n=samples.studies_n[chosen_n],
        tissues_n=samples.tissues_n[chosen_n],
        labels_n=samples.labels_n[chosen_n],
        clusters_n=clusters_n,
    )
