"""Which groups of samples scouts tell apart: a file a strategy, chosen by name in the recipe."""

from collections.abc import Callable, Iterator

import numpy as np

from rnalearner.config.scouting import ContrastConfig, Strategy
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.cluster_pairs import cluster_pairs
from rnalearner.scouts.strategies.gene_sets import gene_sets
from rnalearner.scouts.strategies.graded import graded
from rnalearner.scouts.strategies.inside_study import inside_study
from rnalearner.scouts.strategies.labelled import labelled
from rnalearner.scouts.strategies.one_against_rest import one_against_rest
from rnalearner.scouts.strategies.within_study import within_study
from rnalearner.scouts.strategies.within_tissue import within_tissue

MakeContrasts = Callable[
    [ScoutedSamples, ContrastConfig, int, np.random.Generator], Iterator[Contrast | LeftOut]
]
"""Samples, settings, how many contrasts (about), and where randomness comes from.

What is inside one study or tissue comes in a row, so that a consumer reads and adds up group by group.
"""

STRATEGIES: dict[Strategy, MakeContrasts] = {
    "cluster_pairs": cluster_pairs,
    "graded": graded,
    "one_against_rest": one_against_rest,
    "within_study": within_study,
    "labelled": labelled,
    "inside_study": inside_study,
    "within_tissue": within_tissue,
    "gene_sets": gene_sets,
}


def contrasts(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """The contrasts of the recipe's strategy, one by one, and sentences on what does not scout.

    Raises RecipeError where nothing can scout.
    """
    return STRATEGIES[config.strategy](samples, config, n_contrasts, rng)
