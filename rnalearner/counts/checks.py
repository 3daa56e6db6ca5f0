"""Are these counts? Shapes: n samples, g genes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnalearner.counts.opening import short
from rnalearner.errors import CountsError

LOG_LIKE_MAX = 25.0  # log2 of the deepest libraries' largest count stays below it
FEW_GENES = 20
RAW = "give raw counts (integers, or expected counts as RSEM writes them)"


def check_counts(path: Path, counts_ng: np.ndarray, samples: Sequence[str], genes: Sequence[str]) -> float:
    """Share of values that are not whole (RSEM's expected counts are not).

    Raises CountsError where a value is missing, infinite or negative, or where the values look like
    logarithms (not whole, all below 25), like thousands with a dot (`1.234`), or like TPM, CPM or another
    scale of one total for all samples.
    """
    if counts_ng.size == 0:
        raise CountsError(path, "is empty: no gene or no sample", "give a table of genes and samples")
    for fault, wrong_ng in (
        ("is missing (NaN)", np.isnan(counts_ng)),
        ("is infinite, or as good as", counts_ng > 1e15),
        ("is negative", counts_ng < 0),
    ):
        if wrong_ng.any():
            sample, gene = np.unravel_index(int(wrong_ng.argmax()), wrong_ng.shape)
            shown = f"gene {short(genes[int(gene)])}, sample {short(samples[int(sample)])} {fault}"
            if fault == "is negative":
                value = counts_ng[sample, gene]
                raise CountsError(path, f"{shown} ({value:g}), so these are not counts", RAW)
            raise CountsError(path, shown, "give every cell a count; leave out genes without one")
    fractional = float(np.mean(counts_ng != np.floor(counts_ng)))
    if fractional == 0:
        return 0.0
    largest = float(counts_ng.max())
    if largest < LOG_LIKE_MAX:
        what = f"holds logarithms, it seems: values are not whole and the largest is {largest:.4g}"
        raise CountsError(path, what, RAW)
    if largest < 1000 and _are_thousands(counts_ng):
        what = (
            "has dots as separators of thousands, it seems: 3 digits follow each dot, and none reaches 1,000"
        )
        raise CountsError(path, what, "write whole numbers without separators")
    total_n = counts_ng.sum(axis=1, dtype=np.float64)
    common = float(np.median(total_n))
    alike = bool(np.abs(total_n - common).max() <= 1e-3 * common)
    round_total = any(abs(common - scale) <= 1e-3 * scale for scale in (1e4, 1e5, 1e6))
    if alike and (round_total or len(total_n) > 1):
        what = f"holds TPM, CPM or another normalised scale, it seems: every sample sums to {common:.6g}"
        raise CountsError(path, what, RAW)
    return fractional


def refuse_sum(path: Path, counts_ng: np.ndarray, total_n: np.ndarray, samples: Sequence[str]) -> None:
    """Raises CountsError where one sample is the sum of all others in every gene: a column of totals.

    `total_n`: each sample's counts, summed. Of fewer than three samples, or `FEW_GENES` genes above
    zero, that may be chance.
    """
    if len(samples) < 3:
        return
    sum_g = counts_ng.sum(axis=0, dtype=np.float64)
    if np.count_nonzero(sum_g) < FEW_GENES:
        return
    largest = int(total_n.argmax())  # no other can be
    # Sums of fractional counts are written with two digits, and large ones rounded to float32.
    if np.allclose(2.0 * counts_ng[largest], sum_g, rtol=1e-6, atol=0.02):
        what = f"sample {short(samples[largest])} is the sum of all others in every gene, and no sample"
        raise CountsError(path, what, "leave it out")


def _are_thousands(counts_ng: np.ndarray) -> bool:
    """Whether values below 1,000 are whole, or have three digits behind the dot as `1.234` has.

    Expected counts have two (RSEM), or some of them lie below 1 (Salmon).
    """
    parts = counts_ng[counts_ng != np.floor(counts_ng)]
    thousandths = np.round(parts * 1000)
    return bool(
        parts.min() >= 1
        and np.allclose(parts * 1000, thousandths, rtol=0, atol=1e-3)
        # Nine of ten numbers end in another digit than 0; of numbers of two digits none does.
        and np.mean(thousandths % 10 != 0) > 0.5
    )
