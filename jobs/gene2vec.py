"""Gene vectors: learned from the corpus' co-expression, or loaded."""

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def gene2vec(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Store one vector a gene of the run's gene set, of the model's width."""
    from rnalearner.model.gene2vec import GeneVectors, learn_gene_vectors
    from rnalearner.shards.corpus import corpus_rows
    from rnalearner.shards.read import ShardStore

    store = ShardStore.open(layout.shards)
    if config.gene2vec.path is not None:
        vectors = GeneVectors.load(config.gene2vec.path, store.gene_set, config.model.dim)
    else:
        rows = corpus_rows(store.obs, config.tasks).rows
        progress("gene2vec", 0, 1, "co-expressed pairs and skip-gram")
        vectors = learn_gene_vectors(store, rows, config.gene2vec, config.model.dim)
    vectors.save(layout.gene_vectors)
    return {
        "genes": len(store.gene_set),
        "dim": vectors.dim,
        "genes_without_partner": vectors.n_unknown,
        "pairs": vectors.about.get("n_pairs"),
    }
