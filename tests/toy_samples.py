"""Samples for scouts, in memory; a global row is 100 more than a sample's place."""

from collections.abc import Sequence

import numpy as np

from rnalearner.scouts.samples import GeneSets, ScoutedSamples

FIRST_ROW = 100


def toy_genes(n: int) -> tuple[str, ...]:
    return tuple(f"ENSMUSG{g:011d}" for g in range(n))


def toy_samples(
    values_ng: np.ndarray,
    studies: Sequence[str] | np.ndarray,
    tissues: Sequence[str] | np.ndarray | None = None,
    labels: Sequence[str] | np.ndarray | None = None,
    clusters: Sequence[int] | np.ndarray | None = None,
    sets: GeneSets | None = None,
) -> ScoutedSamples:
    """What nobody gives is "" for every sample, or no clusters."""
    said = [np.full(len(values_ng), "") if given is None else np.array(given) for given in (tissues, labels)]
    return ScoutedSamples(
        FIRST_ROW + np.arange(len(values_ng)),
        np.array(studies),
        *said,
        None if clusters is None else np.array(clusters),
        toy_genes(values_ng.shape[1]),
        lambda rows: values_ng[rows - FIRST_ROW],
        sets,
    )
