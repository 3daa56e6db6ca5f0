"""Counts -> tokens, the steps in their order. Shapes: n samples, g genes."""

import numpy as np

from rnalearner.config.preprocessing import PreprocessingConfig
from rnalearner.preprocessing.binning import BinVocabulary, to_tokens
from rnalearner.preprocessing.normalize import scaled


def values(counts_ng: np.ndarray, total_n: np.ndarray, config: PreprocessingConfig) -> np.ndarray:
    """Expression on the recipe's scale, float32 n x g; NaN where a gene was not measured."""
    return scaled(counts_ng, total_n, config.scale)


def tokens(counts_ng: np.ndarray, total_n: np.ndarray, config: PreprocessingConfig) -> np.ndarray:
    """Tokens, uint8 n x g: scale, floor, clip; PAD where a gene was not measured."""
    return to_tokens(values(counts_ng, total_n, config), BinVocabulary(config.n_bins))
