"""Expression -> tokens: the floor of the scaled value, clipped to the last bin.

Shapes: n samples, g genes.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BinVocabulary:
    """Tokens 0 .. n_bins-1 are bins; MASK (hidden in training) and PAD (not measured) are their own."""

    n_bins: int

    def __post_init__(self) -> None:
        if not 2 <= self.n_bins <= 254:
            raise ValueError(f"n_bins is {self.n_bins}; tokens are bytes, so it must be 2 to 254")

    @property
    def mask(self) -> int:
        return self.n_bins

    @property
    def pad(self) -> int:
        return self.n_bins + 1

    @property
    def size(self) -> int:
        return self.n_bins + 2


def to_tokens(values_ng: np.ndarray, vocabulary: BinVocabulary) -> np.ndarray:
    """Tokens, uint8 n x g: floor, clip to the last bin; NaN -> PAD. Values must not be negative."""
    measured_ng = ~np.isnan(values_ng)
    clipped_ng = np.clip(values_ng, 0, vocabulary.n_bins - 1)
    tokens_ng = np.full(values_ng.shape, vocabulary.pad, dtype=np.uint8)
    # Casting truncates, which is the floor for values from 0 up.
    np.copyto(tokens_ng, clipped_ng, where=measured_ng, casting="unsafe")
    return tokens_ng
