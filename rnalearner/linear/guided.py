"""The guided linear model: one weight a gene, learned from a few samples behind the gene guide.

A gene is multiplied by a power of what the guide says of it before a penalised model sees it. That
equals guiding the step of its weight, and its penalty: a gene that never moved inside the corpus'
studies has to differ much more between the groups to be used.
Shapes: n training samples, m samples, g genes, c rows of weights (1 for two classes, else one a class).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, softmax

from rnalearner.config.linear import LinearConfig
from rnalearner.errors import LabelError
from rnalearner.linear.calibration import slope
from rnalearner.linear.expression import usable_genes
from rnalearner.linear.models import FLAT
from rnalearner.linear.weights import METHODS

if TYPE_CHECKING:
    from rnalearner.guide.gene_guide import GeneGuide

UNKNOWN_GUIDE = 25
"""Percentile of the known genes' guide that a gene unknown to it is given."""
UNKNOWN_SPREAD = 75
"""Percentile of the known genes' residual spread that such a gene is given."""


@dataclass(frozen=True, eq=False)
class GuidedLinear:
    """Weights on log2(CPM + 1), less the mean of the sample's own cohort."""

    genes: tuple[str, ...]
    weight_cg: np.ndarray
    bias_c: np.ndarray
    centre_g: np.ndarray
    """The training cohort's mean: stands in where a cohort is too small to have one, or is not centred."""
    slope: float
    """What a score is multiplied by before it is a logit."""
    guide_g: np.ndarray
    """What the guide said of each gene; NaN where it said nothing."""
    classes: int
    cohort_centring: bool

    def scores(self, x_mg: np.ndarray, cohort_mg: np.ndarray | None = None) -> np.ndarray:
        """Of two classes m, whose sign is the call; of more m x c.

        Columns are `genes`; NaN, not measured, says nothing. `cohort_mg`: the samples whose mean is
        subtracted, where the model centres cohorts; None takes the training cohort's.
        """
        centre_g = self.centre_g
        if cohort_mg is not None and self.cohort_centring:
            measured_g = ~np.isnan(cohort_mg).any(0)
            centre_g = np.where(measured_g, np.nan_to_num(cohort_mg).mean(0), centre_g)
        score_mc = np.nan_to_num(x_mg - centre_g) @ self.weight_cg.T + self.bias_c
        return np.asarray(score_mc[:, 0] if self.classes == 2 else score_mc)

    def probabilities(self, x_mg: np.ndarray, cohort_mg: np.ndarray | None = None) -> np.ndarray:
        """Of every class, m x c, calibrated as in `calibration`."""
        logits = self.slope * self.scores(x_mg, cohort_mg)
        if self.classes > 2:
            return np.asarray(softmax(logits, axis=1))
        return np.stack([expit(-logits), expit(logits)], axis=1)


def fit_guided(
    x_ng: np.ndarray,
    y_n: np.ndarray,
    *,
    genes: Sequence[str],
    cohort_mg: np.ndarray,
    guide: "GeneGuide | None",
    config: LinearConfig,
) -> GuidedLinear:
    """Learn from labelled samples, log2(CPM + 1), NaN: not measured; `genes` names the columns.

    `cohort_mg`: all samples of the training study, with or without a label, the training samples among
    them: it chooses the genes, gives the mean to subtract and the scale of scores. `y_n`: class
    numbers. Raises LabelError where a class has no sample, CountsError where no gene is usable.
    """
    y_n, n_classes = np.asarray(y_n).astype(int), int(np.max(y_n, initial=0)) + 1
    counts_c = np.bincount(y_n, minlength=n_classes)
    if n_classes < 2 or not counts_c.all():
        what = f"{len(y_n)} samples with the classes {sorted(set(y_n.tolist()))}"
        raise LabelError("training samples", what, "give each sample 0, 1 and so on, each at least once")
    keep_g = usable_genes(cohort_mg, x_ng, config.min_cpm)
    kept = tuple(np.asarray(genes)[keep_g].tolist())
    cohort_mg, x_ng = cohort_mg[:, keep_g].astype(float), x_ng[:, keep_g].astype(float)
    centre_g = cohort_mg.mean(0)
    said_g, factor_g, spread_g = _guided(kept, cohort_mg - centre_g, guide if config.guide else None, config)
    z_ng, z_cohort_mg = (x_ng - centre_g) * factor_g, (cohort_mg - centre_g) * factor_g
    weigh = METHODS[config.method]
    positives = [y_n == 1] if n_classes == 2 else [y_n == number for number in range(n_classes)]
    weight_cg, bias_c = np.zeros((len(positives), len(kept))), np.zeros(len(positives))
    for row, positive_n in enumerate(positives):
        weight_g = weigh(z_ng, positive_n, z_cohort_mg, spread_g * factor_g, config)
        weight_g = weight_g / max(float((z_cohort_mg @ weight_g).std()), FLAT)
        score_n = z_ng @ weight_g
        bias_c[row] = -(score_n[positive_n].mean() + score_n[~positive_n].mean()) / 2
        weight_cg[row] = weight_g * factor_g
    return GuidedLinear(
        genes=kept,
        weight_cg=weight_cg,
        bias_c=bias_c,
        centre_g=centre_g,
        slope=slope(int(counts_c.min())),
        guide_g=said_g,
        classes=n_classes,
        cohort_centring=config.cohort_centring,
    )


def _guided(
    genes: Sequence[str], centred_mg: np.ndarray, guide: "GeneGuide | None", config: LinearConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the guide said of each gene, what to multiply it by, and its spread (log2 CPM) beyond labels."""
    said = None if guide is None else guide.reindexed(genes)
    if said is None or np.isnan(said.guide_g).all():
        spread_g = centred_mg.std(0)
        return (
            np.full(len(genes), np.nan),
            np.ones(len(genes)),
            spread_g + max(float(np.median(spread_g)), FLAT),
        )
    factor_g = _filled(said.guide_g, UNKNOWN_GUIDE) ** config.guide_power
    spread_g = _filled(said.residual_g, UNKNOWN_SPREAD)
    # The median keeps genes that hardly vary from being divided by next to nothing.
    return said.guide_g, factor_g, spread_g + max(float(np.median(spread_g)), FLAT)


def _filled(values_g: np.ndarray, percentile: float) -> np.ndarray:
    return np.where(np.isnan(values_g), np.nanpercentile(values_g, percentile), values_g)
