"""Asking a linear classifier about samples whose columns are a run's genes.

Shapes: n samples, g genes of the run, c classes.
"""

import numpy as np

from rnalearner.counts.genes import GeneSet
from rnalearner.linear.expression import smallest_cohort
from rnalearner.linear.guided import GuidedLinear


def ask(model: GuidedLinear, x_ng: np.ndarray, gene_set: GeneSet, cohort_mg: np.ndarray) -> np.ndarray:
    """Probability of every class, n x c, of log2(CPM + 1) with NaN for "not measured".

    `cohort_mg` is the dataset that the samples are of; one that is too small to be centred by its own
    mean is centred by that of the training cohort.
    """
    if not len(x_ng):
        return np.empty((0, model.classes))
    columns = _columns(model, gene_set)
    own = len(cohort_mg) >= smallest_cohort(model.classes)
    return model.probabilities(x_ng[:, columns], cohort_mg[:, columns] if own else None)


def measured_weight(model: GuidedLinear, x_ng: np.ndarray, gene_set: GeneSet) -> np.ndarray:
    """Share of the absolute weight that lies on genes measured in each sample, n.

    A table may measure nearly all genes and lack the ten that the calls rest on.
    """
    weight_g = np.abs(model.weight_cg).sum(0)
    if not weight_g.any():
        return np.ones(len(x_ng))
    measured_ng = ~np.isnan(x_ng[:, _columns(model, gene_set)])
    share_n: np.ndarray = measured_ng @ weight_g / weight_g.sum()
    return share_n


def _columns(model: GuidedLinear, gene_set: GeneSet) -> list[int]:
    return [gene_set.index[gene] for gene in model.genes]
