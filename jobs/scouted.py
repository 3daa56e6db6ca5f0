"""What both kinds of scouts start from: the samples that may scout, with all that a strategy may ask."""

from pathlib import Path
from typing import TYPE_CHECKING

from rnalearner.config import ContrastConfig, RunConfig
from rnalearner.layout import RunLayout

if TYPE_CHECKING:
    from rnalearner.scouts.samples import ScoutedSamples
    from rnalearner.shards.read import ShardStore


def scouted_samples(
    config: RunConfig,
    contrasts: ContrastConfig,
    layout: RunLayout,
    store: "ShardStore",
    with_clusters: bool,
    log2_cpm: bool = False,
) -> "ScoutedSamples":
    """The corpus' samples; with their sample clusters where `explore` was asked for them.

    On the store's scale, or in log2(CPM+1) whatever that is. Raises GeneError for a table of sets that
    cannot be used.
    """
    import pandas as pd

    from rnalearner.counts.gene_table import read_gene_table
    from rnalearner.scouts.samples import ScoutedSamples
    from rnalearner.scouts.sets import read_sets
    from rnalearner.shards.corpus import corpus_rows

    data, sets, clusters_n = config.data, None, None
    if contrasts.strategy == "gene_sets" and contrasts.sets is not None:
        symbols = read_gene_table(data.root / data.genes) if data.genes is not None else None
        sets = read_sets(data.root / contrasts.sets, symbols)
    rows = corpus_rows(store.obs, config.tasks).rows
    if with_clusters:
        clusters = pd.read_csv(layout.sample_clusters, index_col="row")
        rows, clusters_n = clusters.index.to_numpy(), clusters["sample_cluster"].to_numpy()
    return ScoutedSamples.of_store(store, rows, clusters_n, contrasts.label_column, sets, log2_cpm)


def set_tables(config: RunConfig, contrasts: ContrastConfig) -> list[Path]:
    """The user's files that contrasts are made from."""
    return [] if contrasts.sets is None else [config.data.root / contrasts.sets]
