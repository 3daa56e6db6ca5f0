"""A gene set's activity inside one study, split high / low: a transcription factor's targets, say.

Shapes: n samples, g genes, s genes of a set.
"""

from collections.abc import Iterator

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import GeneSets, ScoutedSamples
from rnalearner.scouts.strategies.halves import below_and_above_median, usable_genes
from rnalearner.scouts.strategies.turns import turns


def gene_sets(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """Split a study at the median of a set's activity; all genes outside of the set may learn.

    Activity: mean over the set's genes of the standardised expression, times the gene's sign. Sets of
    which a study measures too few genes take no part; the others come in random order, as many as the
    study's share of `n_contrasts` allows. Raises RecipeError where no study has a set.
    """
    assert samples.sets is not None, "the jobs read the table that the recipe names"  # noqa: S101
    columns = _columns(samples.sets, samples.genes)
    found = False
    for turn in turns("study", samples.studies_n, samples.rows_n, config, n_contrasts, rng):
        if isinstance(turn, LeftOut):
            yield turn
            continue
        values_ng = samples.read(turn.rows)
        usable_g = usable_genes(values_ng)
        measured = {
            name: (genes_s[usable_g[genes_s]], signs_s[usable_g[genes_s]])
            for name, (genes_s, signs_s) in columns.items()
        }
        names = [name for name, (genes_s, _) in measured.items() if len(genes_s) >= config.min_set_genes]
        if not names:
            what = f"it measures {config.min_set_genes} genes of no set"
            yield LeftOut(f"study {turn.name} did not scout: {what}")
            continue
        found = True
        for number in rng.permutation(len(names))[: turn.n_contrasts]:
            name = names[number]
            low, high = below_and_above_median(_activity(values_ng, *measured[name]))
            learns_g = np.ones(len(samples.genes), bool)
            learns_g[columns[name][0]] = False
            yield Contrast(f"{turn.name}, {name}", turn.name, turn.rows[low], turn.rows[high], learns_g)
    if not found:
        raise RecipeError("scouting", "no study measures a gene set", "check the ids of the table of sets")


def _columns(sets: GeneSets, genes: tuple[str, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each set's known genes as columns s, ascending, and their signs s."""
    index = {gene: column for column, gene in enumerate(genes)}
    known = {
        name: sorted((index[gene], sign) for gene, sign in signs.items() if gene in index)
        for name, signs in sorted(sets.items())
    }
    return {
        name: (np.array([column for column, _ in pairs], int), np.array([sign for _, sign in pairs], float))
        for name, pairs in known.items()
    }


def _activity(values_ng: np.ndarray, genes_s: np.ndarray, signs_s: np.ndarray) -> np.ndarray:
    values_ns = values_ng[:, genes_s].astype(np.float64)
    return np.asarray((values_ns - values_ns.mean(0)) / values_ns.std(0) @ signs_s / len(genes_s))
