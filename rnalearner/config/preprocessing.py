"""From counts to bins, and how counts lie on disk."""

from typing import Literal

from pydantic import Field

from rnalearner.config.section import Section


class PreprocessingConfig(Section):
    """One rule for every sample; nothing here depends on any other sample."""

    scale: Literal["log2p1_cpm", "log2p1_cp10k"] = "log2p1_cpm"
    """`log2p1_cpm`: per million of all genes in the sample's file. `log2p1_cp10k`: the published
    code's recipe, per 10,000 of the panel's genes."""
    n_bins: int = Field(20, ge=2, le=250)
    """Bins: the floor of the scaled value, clipped to the last. log2(1e6 + 1) has floor 19."""
    min_expressed_genes: int = Field(200, ge=0)
    """Samples with fewer genes above zero are dropped."""


class ShardConfig(Section):
    """Counts on disk."""

    rows_per_shard: int = Field(4096, ge=1)
    """Samples in one Parquet file, unless a single study has more."""
    rows_per_group: int = Field(32, ge=1)
    """Samples in one row group, the unit of reading."""
    shuffle_groups: int = Field(16, ge=1)
    """Row groups held and shuffled together while training: bounds the memory of a reader."""
