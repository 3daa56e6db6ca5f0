"""The simplest pretraining: ten principal components of all other studies.

Shapes: p corpus samples, n and m all samples of a task's two sides, g genes common to all, 10 components.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnalearner.benchmark.compendium import Compendium, StudyCounts
from rnalearner.benchmark.tasks import LoadedTask, Side
from rnalearner.linear.models import FLAT

COMPONENTS = 10


@dataclass(frozen=True, eq=False)
class PcaMaps:
    """Both sides of a task on the components: as they are, and with every study centred."""

    plain: tuple[np.ndarray, np.ndarray]
    centred: tuple[np.ndarray, np.ndarray]
    studies: tuple[str, ...]
    """The studies that the components were learned from."""
    n_genes: int

    def sides(self, centred: bool) -> tuple[np.ndarray, np.ndarray]:
        """All samples of the training and of the test side, n x 10 and m x 10."""
        return self.centred if centred else self.plain


def pca_maps(
    compendium: Compendium, loaded: LoadedTask, pretrain: Sequence[str] | None = None
) -> PcaMaps | None:
    """Learn the components from the studies `pretrain` (those of the first folder) but the task's own.

    Left out are the task's studies and all that share a subject with it; no label is looked at. None
    where what is left has too few samples, or shares too few genes, for so many components.
    """
    pretrain = compendium.studies_of(compendium.folders[0]) if pretrain is None else pretrain
    subjects = {*loaded.train.subjects, *loaded.test.subjects}
    used = [
        study
        for study in sorted(pretrain)
        if study not in loaded.task.studies and not subjects & compendium.subjects(study)
    ]
    corpus = [compendium.counts(study) for study in used]
    genes = _common(loaded, corpus)
    if min(sum(len(study.samples) for study in corpus), len(genes)) <= COMPONENTS:
        return None
    pools_pg = [np.log2(study.cpm(genes) + 1) for study in corpus]
    sides = [_expression(side, genes) for side in (loaded.train, loaded.test)]
    plain = _project(pools_pg, sides)
    centred = _project([x_pg - x_pg.mean(0) for x_pg in pools_pg], [x_ng - x_ng.mean(0) for x_ng in sides])
    return PcaMaps(plain, centred, tuple(used), len(genes))


def _common(loaded: LoadedTask, corpus: Sequence[StudyCounts]) -> list[str]:
    shared = set(loaded.test.all_genes).intersection(*(study.genes for study in corpus))
    return [gene for gene in loaded.train.all_genes if gene in shared]


def _expression(side: Side, genes: Sequence[str]) -> np.ndarray:
    return np.log2(side.counts(genes).astype(float) * (1e6 / side.total_n)[:, None] + 1)


def _project(pools_pg: Sequence[np.ndarray], sides: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The sides on the pools' components, through the p x p products: p is hundreds, g tens of thousands."""
    x_pg = np.concatenate(pools_pg)
    mean_g = x_pg.mean(0)
    x_pg -= mean_g
    power_p, vectors_pp = np.linalg.eigh(x_pg @ x_pg.T)
    scale_k = np.sqrt(np.maximum(power_p[-COMPONENTS:], FLAT))
    axes_gk = x_pg.T @ (vectors_pp[:, -COMPONENTS:] / scale_k)
    train_nk, test_mk = ((side_ng - mean_g) @ axes_gk for side_ng in sides)
    return train_nk, test_mk
