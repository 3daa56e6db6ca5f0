"""Sample clusters inside one tissue (or one study): between the published strategy and `within_study`.

Shapes: n samples, g genes, c components.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from rnalearner.clustering.assign import assign_sample_clusters
from rnalearner.config.scouting import ContrastConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.halves import components, halves, usable_genes
from rnalearner.scouts.strategies.sizes import MIN_SIDE
from rnalearner.scouts.strategies.turns import turns

N_CLUSTERS = 3
"""Sample clusters of a tissue: three pairs, as `within_study` has three components."""
N_COMPONENTS = 5
"""Principal components that k-means sees."""


def within_tissue(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """k-means of a tissue's samples on half of the genes; of each pair of clusters the others learn.

    A tissue of several studies is taken as it is: its clusters may be studies. Samples without a
    tissue count with their study. Raises RecipeError where nothing is large enough or can be split.
    """
    groups_n = tissues(samples, config)
    found = False
    for turn in turns(config.inside, groups_n, samples.rows_n, config, n_contrasts, rng):
        if isinstance(turn, LeftOut):
            yield turn
            continue
        values_ng = samples.read(turn.rows)
        usable_g, made = usable_genes(values_ng), 0
        # Most halves give three pairs; where clusters are of one sample, more halves are tried.
        for half_g in halves(usable_g, 2 * turn.n_contrasts if usable_g.sum() >= 2 else 0, rng):
            pairs = _pairs(values_ng[:, half_g], rng)[: turn.n_contrasts - made]
            for a, b in pairs:
                name = f"{turn.name}, clusters of {len(a)} and {len(b)} samples"
                yield Contrast(name, turn.name, turn.rows[a], turn.rows[b], ~half_g)
            made += len(pairs)
            if made == turn.n_contrasts:
                break
        found = found or made > 0
        if not made:
            yield LeftOut(f"{config.inside} {turn.name} did not scout: it falls into no sample clusters")
    if not found:
        raise RecipeError("scouting", f"no {config.inside} falls into sample clusters", "read more samples")


def tissues(samples: ScoutedSamples, config: ContrastConfig) -> np.ndarray:
    """What each sample is looked at with: its tissue, or its study, n."""
    if config.inside == "study":
        return samples.studies_n
    return np.where(samples.tissues_n == "", samples.studies_n, samples.tissues_n)


def _pairs(values_ng: np.ndarray, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places of the samples of each pair of clusters that are large enough."""
    centred_ng = values_ng.astype(np.float64)
    centred_ng -= centred_ng.mean(0)
    axes_nc = components(values_ng)[:, :N_COMPONENTS]
    scores_nc = axes_nc * np.linalg.norm(axes_nc.T @ centred_ng, axis=1)
    clusters = assign_sample_clusters(scores_nc, [min(N_CLUSTERS, len(values_ng) - 1)], rng)
    groups = [np.flatnonzero(labels_n == k) for labels_n in clusters.values() for k in np.unique(labels_n)]
    return list(combinations([group for group in groups if len(group) >= MIN_SIDE], 2))
