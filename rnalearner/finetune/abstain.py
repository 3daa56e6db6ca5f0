"""When the classifiers had better say nothing. Shapes: s seeds, n samples, c classes."""

import numpy as np

from rnalearner.config import PredictConfig
from rnalearner.linear.expression import smallest_cohort

SEEDS_AGREE = 0.75
"""Share of the seeds that must make the ensemble's call."""


def reasons(
    p_snc: np.ndarray,
    coverage_n: np.ndarray,
    quality: list[str],
    centring: bool,
    config: PredictConfig,
    weight_n: np.ndarray | None = None,
) -> list[str]:
    """Why each sample's call should not be trusted; "" where it may be.

    `p_snc` is NaN where a sample was not asked, which `quality` gives the reason of ("" elsewhere);
    `coverage_n` is the share of the model's genes measured; `centring`: cohorts are centred;
    `weight_n`, of a linear model, the share of its weight that lies on measured genes.
    """
    mean_nc = p_snc.mean(0)
    n_seeds, n_asked, n_classes = len(p_snc), sum(not fault for fault in quality), p_snc.shape[2]
    needed = smallest_cohort(n_classes) if centring else 0
    told = []
    for i, fault in enumerate(quality):
        found = [fault] if fault else []
        if coverage_n[i] < config.min_coverage:
            share = f"{coverage_n[i]:.0%} of the model's genes are measured"
            found.append(f"{share}, fewer than {config.min_coverage:.0%}")
        elif weight_n is not None and weight_n[i] < config.min_coverage:
            share = f"the genes measured carry {weight_n[i]:.0%} of the model's weight"
            found.append(f"{share}, less than {config.min_coverage:.0%}")
        if not fault:
            call = int(mean_nc[i].argmax())
            confidence, agree = mean_nc[i, call], int((p_snc[:, i].argmax(1) == call).sum())
            if n_asked < needed:
                found.append(f"a cohort of {n_asked} is too small to centre by: {needed} are needed")
            if confidence < config.min_confidence:
                likeliest = f"the likeliest class has a probability of {confidence:.2f}"
                found.append(f"{likeliest}, below {config.min_confidence:.2f}")
            if agree < SEEDS_AGREE * n_seeds:
                found.append(f"only {agree} of {n_seeds} seeds make this call")
        told.append("; ".join(found))
    return told
