"""From contrasts to the gene guide: gene-level scouts, added up group by group.

Shapes: n samples, g genes.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from rnalearner.config import GenesConfig
from rnalearner.config.scouting import BETWEEN_CLUSTERS
from rnalearner.errors import RecipeError
from rnalearner.guide.gene_guide import GeneGuide, genes_sha256
from rnalearner.guide.spread import ResidualSpread
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.gene_level import squared_moderated_t
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies import contrasts
from rnalearner.scouts.strategies.sizes import capped
from rnalearner.scouts.strategies.turns import MAX_GROUP
from rnalearner.scouts.strategies.within_tissue import tissues

SCALE = "log2p1_cpm"
FLOOR = 0.5
"""What is added, in units of the group's mean, before a logarithm: keeps genes that moved nowhere in one
study from being ruled out by it."""
PRIOR_GROUPS = 2.0
"""A gene that two of fifteen studies express has a noisy mean: without these the two loudest studies
would fill the top of an arithmetic mean."""


def learn_gene_guide(
    samples: ScoutedSamples,
    config: GenesConfig,
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> GeneGuide:
    """Gene-level scouts over all contrasts of the recipe's strategy; `samples.read` gives log2(CPM+1).

    guide_g is the mean squared (or absolute) moderated t over the contrasts in which a gene may learn,
    then over the studies that express it (or tissues; sample clusters of the whole corpus are one
    group) as `config.average` says, divided by its mean over genes. Everything random follows from
    config.seed. Raises RecipeError where nothing can scout.
    """
    rng = np.random.default_rng(config.seed)
    studies = np.unique(samples.studies_n)
    on_progress(0, len(studies), "spread")
    n_studies_g, residual_g = _expressed(samples, config, rng)
    movement, scout = _MeanOverGroups(len(samples.genes), config.average), _Scout(samples, config.min_cpm)
    left_out, done = [], 0
    for item in contrasts(samples, config, config.per_group * _n_groups(samples, config), rng):
        if isinstance(item, LeftOut):
            left_out.append(item.sentence)
            continue
        if movement.group != item.inside:
            on_progress(min(done, len(studies)), len(studies), item.inside)
            done += 1
        t2_g = scout.squared_t(item)
        movement.add(item.inside, t2_g if config.measure == "squared" else np.sqrt(t2_g))
    mean_g = movement.mean()
    kept_g = (n_studies_g >= min(config.min_studies, len(studies))) & np.isfinite(mean_g)
    kept_g &= np.isfinite(residual_g)
    if not kept_g.any() or not mean_g[kept_g].any():
        what = f"no gene has a mean CPM above {config.min_cpm} in {config.min_studies} studies, and moves"
        raise RecipeError("genes", what, "lower genes.min_cpm, or read more studies")
    genes = tuple(np.array(samples.genes)[kept_g].tolist())
    meta = {
        "strategy": config.strategy,
        "measure": config.measure,
        "average": config.average,
        "studies": studies.tolist(),
        "n_contrasts": movement.n_contrasts,
        "seed": config.seed,
        "scale": SCALE,
        "min_cpm": config.min_cpm,
        "gene_set": genes_sha256(genes),
        "left_out": left_out,
    }
    guide_g = mean_g[kept_g] / mean_g[kept_g].mean()
    return GeneGuide(genes, guide_g, residual_g[kept_g], n_studies_g[kept_g], meta)


class _MeanOverGroups:
    """Mean over the contrasts of a group, then over groups; NaN does not count.

    For the groups that say nothing of a gene, up to PRIOR_GROUPS average genes stand in for the
    arithmetic mean; for the geometric one they cost what they gain elsewhere. The geometric
    mean takes each group relative to its own mean over genes: a gene that moved far in one study and
    nowhere else then counts for less than one that moved a little in all of them.
    """

    def __init__(self, n_genes: int, average: Literal["arithmetic", "geometric"]) -> None:
        self.average = average
        self.group: str | None = None
        self.n_contrasts = 0
        self._sum_g, self._n_g = np.zeros(n_genes), np.zeros(n_genes)
        self._group_sum_g, self._group_n_g = np.zeros(n_genes), np.zeros(n_genes)

    def add(self, group: str, values_g: np.ndarray) -> None:
        if group != self.group:
            self._close()
            self.group = group
        known_g = ~np.isnan(values_g)
        self._group_sum_g[known_g] += values_g[known_g]
        self._group_n_g += known_g
        self.n_contrasts += 1

    def mean(self) -> np.ndarray:
        self._close()
        if not self._n_g.any():
            return np.full(len(self._n_g), np.nan)
        n_prior = PRIOR_GROUPS if self.average == "arithmetic" else 0.0
        prior_g = n_prior * (1 - self._n_g / self._n_g.max())
        average = self._sum_g.sum() / self._n_g.sum()
        mean_g = (self._sum_g + prior_g * average) / np.maximum(self._n_g + prior_g, 1)
        if self.average == "geometric":
            mean_g = np.exp(mean_g)
        return np.where(self._n_g > 0, mean_g, np.nan)

    def _close(self) -> None:
        known_g = self._group_n_g > 0
        moved = self._group_sum_g[known_g] / self._group_n_g[known_g]
        if self.average == "arithmetic":
            self._sum_g[known_g] += moved
            self._n_g += known_g
        elif moved.any():  # else it cannot rank genes
            self._sum_g[known_g] += np.log(moved / moved.mean() + FLOOR)
            self._n_g += known_g
        self._group_sum_g[:], self._group_n_g[:] = 0, 0


def _n_groups(samples: ScoutedSamples, config: GenesConfig) -> int:
    """Studies, or tissues or sample clusters where the strategy is about these."""
    if config.strategy in BETWEEN_CLUSTERS and samples.clusters_n is not None:
        return len(np.unique(samples.clusters_n))
    if config.strategy == "within_tissue":
        return len(np.unique(tissues(samples, config)))
    return len(np.unique(samples.studies_n))


class _Scout:
    """t^2 of the genes that may learn and are expressed in a contrast's samples."""

    def __init__(self, samples: ScoutedSamples, min_cpm: float) -> None:
        self._samples, self._min_cpm = samples, min_cpm
        self._rows, self._expressed_g = np.empty(0, np.int64), np.empty(0, bool)

    def squared_t(self, contrast: Contrast) -> np.ndarray:
        """g; NaN for genes that may not learn, or are not expressed."""
        rows = np.concatenate([contrast.rows_a, contrast.rows_b])
        is_b_n = np.repeat([False, True], [len(contrast.rows_a), len(contrast.rows_b)])
        order = np.argsort(rows, kind="stable")
        values_ng = self._samples.read(rows[order])
        if not np.array_equal(self._rows, rows[order]):  # the contrasts of a study share their samples
            self._rows, self._expressed_g = rows[order], _mean_cpm(values_ng) > self._min_cpm
        learns_g = self._expressed_g if contrast.learns_g is None else self._expressed_g & contrast.learns_g
        t2_g = np.full(values_ng.shape[1], np.nan)
        if learns_g.any():
            t2_g[learns_g] = squared_moderated_t(values_ng[:, learns_g], is_b_n[order])
        return t2_g


def _mean_cpm(values_ng: np.ndarray) -> np.ndarray:
    """NaN where a gene is not measured in every sample; a comparison with it is false."""
    return np.asarray((np.exp2(values_ng.astype(np.float64)) - 1).mean(0))


def _expressed(
    samples: ScoutedSamples, config: GenesConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Number of studies that express each gene, and its residual spread in these, g."""
    n_studies_g = np.zeros(len(samples.genes), np.int64)
    spread = ResidualSpread(len(samples.genes))
    for study in np.unique(samples.studies_n):
        places = capped(np.flatnonzero(samples.studies_n == study), MAX_GROUP, rng)
        if len(places) < 2:
            continue
        values_ng = samples.read(samples.rows_n[places])
        expressed_g = _mean_cpm(values_ng) > config.min_cpm
        n_studies_g += expressed_g
        spread.add(np.where(expressed_g, values_ng, np.nan), samples.labels_n[places])
    return n_studies_g, spread.residual()
