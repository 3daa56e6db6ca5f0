"""Which samples stay, and why the others go. Shapes: n samples."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnalearner.config.preprocessing import PreprocessingConfig


@dataclass(frozen=True)
class Drop:
    """A sample that does not stay."""

    sample: str
    reason: str


def quality(obs: pd.DataFrame, config: PreprocessingConfig) -> tuple[np.ndarray, list[Drop]]:
    """Samples that stay (bool n) and a Drop for each of the others.

    `obs` has `n_expressed`, genes above zero in the sample's file, and is indexed by sample.
    """
    keep_n = obs["n_expressed"].to_numpy() >= config.min_expressed_genes
    drops = [
        Drop(str(sample), f"expresses {n_expressed} genes, fewer than {config.min_expressed_genes}")
        for sample, n_expressed in obs.loc[~keep_n, "n_expressed"].items()
    ]
    return keep_n, drops
