"""Counts -> expression on a named scale. No scale looks at any other sample.

Shapes: n samples, g genes. NaN means "not measured" and stays NaN.
"""

from dataclasses import dataclass

import numpy as np

from rnalearner.config.preprocessing import PreprocessingConfig


@dataclass(frozen=True)
class Scale:
    """What a bin means: the transform and the number of bins. Stored with every shard and checkpoint."""

    name: str
    n_bins: int

    @classmethod
    def of(cls, config: PreprocessingConfig) -> "Scale":
        return cls(config.scale, config.n_bins)

    def as_dict(self) -> dict[str, str | int]:
        return {"name": self.name, "n_bins": self.n_bins}


def log2p1_cpm(counts_ng: np.ndarray, total_n: np.ndarray) -> np.ndarray:
    """log2(1 + 1e6 counts / total), float32 n x g.

    `total_n` counts every gene of the sample's file, in the panel or not, so that the value does not
    depend on the panel. A sample whose total is zero is all zero.
    """
    return _log2p1(counts_ng, 1e6, np.asarray(total_n, dtype=np.float64))


def log2p1_cp10k(counts_ng: np.ndarray) -> np.ndarray:
    """log2(1 + 1e4 counts / total over these genes), float32 n x g: the published code's recipe."""
    return _log2p1(counts_ng, 1e4, np.asarray(np.nansum(counts_ng, axis=1, dtype=np.float64)))


def scaled(counts_ng: np.ndarray, total_n: np.ndarray, name: str) -> np.ndarray:
    """The scale called `name`, float32 n x g; raises ValueError for any other name."""
    if name == "log2p1_cpm":
        return log2p1_cpm(counts_ng, total_n)
    if name == "log2p1_cp10k":
        return log2p1_cp10k(counts_ng)
    raise ValueError(f"there is no scale {name!r}")


def _log2p1(counts_ng: np.ndarray, per: float, total_n: np.ndarray) -> np.ndarray:
    # In float64, and multiplied before divided: a CPM of exactly 2**k - 1 must floor to bin k.
    divisor_n = np.where(total_n > 0, total_n, 1.0)
    values_ng = counts_ng.astype(np.float64)
    values_ng *= per
    values_ng /= divisor_n[:, None]
    values_ng += 1
    return np.log2(values_ng, out=values_ng).astype(np.float32)


def quickly_scaled(counts_ng: np.ndarray, total_n: np.ndarray, name: str) -> np.ndarray:
    """`scaled` in the counts' own memory (float32) and good to six digits: for sums, not for bins."""
    if name == "log2p1_cpm":
        per_n = 1e6 / np.where(total_n > 0, total_n, 1.0)
    elif name == "log2p1_cp10k":
        panel_n = np.nansum(counts_ng, axis=1, dtype=np.float64)
        per_n = 1e4 / np.where(panel_n > 0, panel_n, 1.0)
    else:
        raise ValueError(f"there is no scale {name!r}")
    counts_ng *= per_n[:, None].astype(np.float32)
    counts_ng += 1
    np.log(counts_ng, out=counts_ng)  # half the time of log2, and 0 of 1 all the same
    counts_ng *= np.float32(1 / np.log(2))
    return counts_ng
