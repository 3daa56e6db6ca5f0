"""Contrasts inside one study, without labels: what a few-shot task looks like, unlike clusters.

Clusters of a corpus are tissues and laboratories; a guide from them spends its plasticity on
differences that no few-shot task asks about.
"""

from collections.abc import Iterator

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.halves import below_and_above_median, components, halves, usable_genes
from rnalearner.scouts.strategies.turns import turns

N_COMPONENTS = 3
"""Components of a half of the genes that take turns in splitting a study."""


def within_study(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """Split a study at the median of a principal component of half of its genes; the others may learn.

    Every half splits by its first three components, then its complement does. Raises RecipeError where
    no study is large enough, or none has two genes that vary.
    """
    found = False
    for turn in turns("study", samples.studies_n, samples.rows_n, config, n_contrasts, rng):
        if isinstance(turn, LeftOut):
            yield turn
            continue
        values_ng = samples.read(turn.rows)
        usable_g = usable_genes(values_ng)
        if usable_g.sum() < 2:
            yield LeftOut(f"study {turn.name} did not scout: no two genes vary in it")
            continue
        found = True
        n_components = min(N_COMPONENTS, len(turn.rows) - 1)
        n_halves = -(-turn.n_contrasts // n_components)
        left = turn.n_contrasts
        for half_g in halves(usable_g, n_halves, rng):
            scores_nc = components(values_ng[:, half_g])[:, : min(n_components, left)]
            for component, score_n in enumerate(scores_nc.T, start=1):
                low, high = below_and_above_median(score_n)
                name = f"{turn.name}, component {component}"
                yield Contrast(name, turn.name, turn.rows[low], turn.rows[high], ~half_g)
            left -= scores_nc.shape[1]
    if not found:
        raise RecipeError("scouting", "no study has genes that vary", "read more samples")
