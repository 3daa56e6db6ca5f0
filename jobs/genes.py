"""Gene-level scouts and the gene guide."""

from jobs.adopt import adopt_gene_guide
from jobs.phase import Figures, Progress
from jobs.scouted import scouted_samples
from rnalearner.config import RunConfig
from rnalearner.config.scouting import BETWEEN_CLUSTERS
from rnalearner.layout import RunLayout


def genes(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Learn the gene guide from the corpus' contrasts, or take the published model's."""
    if config.model.path is not None:
        return adopt_gene_guide(config, layout)
    from rnalearner.guide.learn_genes import learn_gene_guide
    from rnalearner.shards.read import ShardStore

    wide = layout.wide_shards if config.data.wide else layout.shards
    store = ShardStore.open(wide)
    between = config.genes.strategy in BETWEEN_CLUSTERS
    samples = scouted_samples(config, config.genes, layout, store, between, log2_cpm=True)
    guide = learn_gene_guide(
        samples, config.genes, lambda done, total, what: progress("genes", done, total, what)
    )
    guide.save(layout.gene_guide)
    known = set(guide.genes)
    panel = ShardStore.open(layout.shards).gene_set.ids
    return {
        "genes": len(known),
        "of_the_panel": sum(gene in known for gene in panel),
        "studies": len(guide.meta["studies"]),
        "contrasts": guide.meta["n_contrasts"],
        "left_out": guide.meta["left_out"],
    }
