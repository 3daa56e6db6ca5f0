"""A gene-level scout: how well each gene alone tells the two groups of a contrast apart.

Shapes: n samples, g genes.
"""

import numpy as np

PRIOR_SAMPLES = 4.0
"""d0: how many degrees of freedom the mean variance counts for beside a gene's own. Of a few samples
a gene's own variance is little known, and the genes with the smallest ones would win by chance."""


def squared_moderated_t(values_ng: np.ndarray, is_b_n: np.ndarray) -> np.ndarray:
    """t^2 of each gene between the samples with `is_b_n` and the others.

    t = (mean_b - mean_a) / (s~ sqrt(1/n_a + 1/n_b)), s~^2 = (d0 s0^2 + d s^2) / (d0 + d): the pooled
    variance s^2 with its d = n - 2 degrees of freedom, moderated as in limma (Smyth 2004, Statistical
    Applications in Genetics and Molecular Biology 3:3), with s0^2 the mean variance over genes and
    d0 = PRIOR_SAMPLES fixed, where limma fits both. A gene with an unmeasured value (NaN) has NaN; where
    no gene varies inside the groups every t is 0. Raises ValueError for an empty group.
    """
    values_ng = np.asarray(values_ng, np.float64)
    n_b = int(is_b_n.sum())
    n_a, n = len(is_b_n) - n_b, len(is_b_n)
    if not n_a or not n_b:
        raise ValueError(f"a contrast of {n_a} against {n_b} samples")
    mean_a, mean_b = values_ng[~is_b_n].mean(0), values_ng[is_b_n].mean(0)
    residual_ng = values_ng - np.where(is_b_n[:, None], mean_b, mean_a)
    squares_g = np.square(residual_ng).sum(0)
    measured_g = ~np.isnan(squares_g)
    degrees = n - 2
    prior = squares_g[measured_g].mean() / max(degrees, 1) if measured_g.any() else 0.0
    variance_g = (PRIOR_SAMPLES * prior + squares_g) / (PRIOR_SAMPLES + degrees)
    error_g = variance_g * (1 / n_a + 1 / n_b)
    t2_g = np.zeros(values_ng.shape[1])
    np.divide(np.square(mean_b - mean_a), error_g, out=t2_g, where=error_g > 0)
    return np.where(measured_g, t2_g, np.nan)
