"""What a linear arm sees: genes measured everywhere and expressed, perhaps centred by cohort.

A *cohort* is a whole dataset, its unlabelled samples included. Centring subtracts the cohort's own
gene means, so a sample's prediction depends on the samples beside it: transductive. It needs no label.
"""

import numpy as np
from scipy.stats import rankdata

from rnalearner.errors import CountsError

SAMPLES_A_CLASS = 2
"""In a cohort that may be centred by its own mean."""


def smallest_cohort(n_classes: int) -> int:
    """Samples that a cohort must have to be centred by its own mean.

    The mean stands for "no class in particular": of one sample it would leave nothing, of two it
    would force opposite calls.
    """
    return SAMPLES_A_CLASS * n_classes


def usable_genes(train_cohort_ng: np.ndarray, test_cohort_mg: np.ndarray, min_cpm: float = 1.0) -> np.ndarray:
    """Genes (bool, g) measured in every sample of both cohorts, with a mean CPM above `min_cpm`.

    Both cohorts are log2(CPM + 1), NaN where a gene was not measured. No label is looked at.
    With `min_cpm` 0 every measured gene stays. Raises CountsError where no gene is left.
    """
    both_ng = np.concatenate([train_cohort_ng, test_cohort_mg])
    keep_g = ~np.isnan(both_ng).any(0)
    if min_cpm > 0:
        keep_g[keep_g] = (np.exp2(both_ng[:, keep_g].astype(float)) - 1).mean(0) > min_cpm
    if not keep_g.any():
        raise CountsError(
            "train and test cohorts",
            f"no gene is measured in all {len(both_ng)} samples with a mean CPM above {min_cpm:g}",
            "check that both name genes alike, or lower min_cpm",
        )
    return keep_g


def centred(x_ng: np.ndarray, cohort_mg: np.ndarray) -> np.ndarray:
    """`x_ng` minus the gene means of its cohort."""
    return x_ng - cohort_mg.mean(0)


def ranks(x_ng: np.ndarray) -> np.ndarray:
    """Rank of each gene within its sample, in (0, 1]; ties share their mean rank."""
    ranks_ng: np.ndarray = rankdata(x_ng, axis=1) / x_ng.shape[1]
    return ranks_ng
