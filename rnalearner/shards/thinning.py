"""The same library, sequenced less deeply."""

import numpy as np


def thin(counts_ng: np.ndarray, keep_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep each read with probability `keep_n` (of its sample): binomial thinning.

    counts_ng: float, n×g, NaN = not measured, which stays NaN. keep_n: shares in [0, 1], or one for
    all. Returns n×g of the same type. Of a fractional count (an estimate, such as RSEM's) the whole
    reads are thinned and the rest is multiplied by the share: the mean is share × count throughout.

    The caller multiplies the samples' totals by `keep_n`. Totals also count genes outside of the
    panel, which are not here to be thinned; of a million reads, the number kept strays from that
    mean by about one in a thousand.
    """
    keep_n = np.broadcast_to(np.asarray(keep_n, dtype=np.float64), counts_ng.shape[:1])
    if not ((keep_n >= 0) & (keep_n <= 1)).all():
        raise ValueError(f"shares to keep must lie in [0, 1], got {keep_n.min()}..{keep_n.max()}")
    row, gene = np.nonzero(counts_ng > 0)  # most counts of a single cell are zero: nothing to draw
    count, keep = counts_ng[row, gene].astype(np.float64), keep_n[row]
    whole = np.floor(count)
    thinned_ng = np.array(counts_ng)
    thinned_ng[row, gene] = rng.binomial(whole.astype(np.int64), keep) + (count - whole) * keep
    return thinned_ng
