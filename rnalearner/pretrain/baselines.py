"""What a masked score is worth: two predictors that look at no context.

Shapes: g genes, b bins, m masked positions. Masked accuracy flatters, because most genes keep to
one or two bins; "always the commonest bin" and "the gene's own mode" stand beside every score.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

NEVER = -20.0
"""Log probability given to bin 0, which is never masked; finite, so that it can be a parameter."""


def bin_histogram(bins_batches: Iterable[np.ndarray], n_genes: int, n_bins: int) -> np.ndarray:
    """How often each gene has each bin, g x b int64, from batches n x g; PAD is not counted."""
    histogram = np.zeros(n_genes * n_bins, np.int64)
    offset_g = np.arange(n_genes, dtype=np.int64) * n_bins
    for bins_ng in bins_batches:
        cells_ng = offset_g + bins_ng
        histogram += np.bincount(cells_ng[bins_ng < n_bins], minlength=n_genes * n_bins)
    return histogram.reshape(n_genes, n_bins)


def log_frequencies(histogram_gb: np.ndarray) -> np.ndarray:
    """Log of each gene's frequencies of the non-zero bins, Laplace-smoothed by 1; g x b.

    Bin 0 is never masked, so it has no share: `NEVER`.
    """
    smoothed_gb = histogram_gb[:, 1:] + 1.0
    log_gb = np.full(histogram_gb.shape, NEVER)
    log_gb[:, 1:] = np.log(smoothed_gb / smoothed_gb.sum(1, keepdims=True))
    return log_gb


@dataclass(frozen=True)
class TrivialScore:
    """Masked accuracy and mean loss of both predictors on the same positions.

    Their fields are named after those of bins; for centred values see
    rnalearner.pretrain.centred_baselines.
    """

    commonest_accuracy: float
    commonest_loss: float
    mode_accuracy: float
    mode_loss: float
    n_masked: int


def trivial_score(
    histogram_gb: np.ndarray, positions: Iterable[tuple[np.ndarray, np.ndarray]]
) -> TrivialScore:
    """Score both on batches of (gene_m, label_m), given the training samples' histogram.

    Accuracies take the commonest non-zero bin of all genes, and of the gene (of all genes where it
    has none); losses take the smoothed histograms of all genes together and of the gene.
    """
    histogram_gb = histogram_gb.copy()
    histogram_gb[:, 0] = 0
    commonest = int(histogram_gb.sum(0).argmax())
    mode_g = np.where(histogram_gb.any(1), histogram_gb.argmax(1), commonest)
    log_b = log_frequencies(histogram_gb.sum(0, keepdims=True))[0]
    log_gb = log_frequencies(histogram_gb)
    sums = np.zeros(4)
    n_masked = 0
    for gene_m, label_m in positions:
        sums += [
            (label_m == commonest).sum(),
            -log_b[label_m].sum(),
            (label_m == mode_g[gene_m]).sum(),
            -log_gb[gene_m, label_m].sum(),
        ]
        n_masked += len(label_m)
    right, loss, mode_right, mode_loss = (float(value) for value in sums / max(n_masked, 1))
    return TrivialScore(right, loss, mode_right, mode_loss, n_masked)
