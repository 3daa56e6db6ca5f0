"""What an encoder takes: bins, or values centred by their study. Shapes: n samples, g genes."""

import numpy as np

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.preprocessing import pipeline
from rnalearner.shards.read import ShardStore


def stored_inputs(store: ShardStore, rows: np.ndarray, config: ModelConfig) -> np.ndarray:
    """Inputs of the store's `rows`, n x g: uint8 tokens, or float32 values.

    Values are centred by the mean of all samples of a row's study that are in the store, whatever
    their labels: without labels, but not without the other samples.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if config.values == "bins":
        return store.tokens(rows)
    study_n = store.obs["study"].to_numpy()
    inputs_ng = store.values(rows)
    for study in dict.fromkeys(study_n[rows]):
        mean_g = _mean(store.values(np.flatnonzero(study_n == study)))
        inputs_ng[study_n[rows] == study] -= mean_g
    return inputs_ng


def cohort_inputs(
    counts_ng: np.ndarray, total_n: np.ndarray, preprocessing: PreprocessingConfig, config: ModelConfig
) -> np.ndarray:
    """Inputs of samples that are one cohort, n x g; values are centred by these samples' own mean."""
    if config.values == "bins":
        return pipeline.tokens(counts_ng, total_n, preprocessing)
    values_ng = pipeline.values(counts_ng, total_n, preprocessing)
    centred_ng: np.ndarray = values_ng - _mean(values_ng)
    return centred_ng


def _mean(values_ng: np.ndarray) -> np.ndarray:
    """Mean of the samples that measured each gene; 0 where none did, and the values stay NaN."""
    measured_g = (~np.isnan(values_ng)).sum(0)
    mean_g: np.ndarray = (np.nansum(values_ng, 0) / np.maximum(measured_g, 1)).astype(np.float32)
    return mean_g
