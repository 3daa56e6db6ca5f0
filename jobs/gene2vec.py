"""Gene vectors: learned from the corpus' co-expression, or loaded."""

from typing import Any

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def held_out(config: RunConfig) -> dict[str, Any]:
    """What decides which studies gene vectors may not see; of skip-gram, nothing."""
    if config.gene2vec.method == "skipgram":
        return {}
    return {"held out": [config.pretrain.validation_share, config.pretrain.seed]}


def gene2vec(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Store one vector a gene of the run's gene set, of the model's width."""
    from rnalearner.model.covariance import covariance_vectors
    from rnalearner.model.gene2vec import GeneVectors, learn_gene_vectors
    from rnalearner.pretrain.split import split_studies
    from rnalearner.shards.corpus import corpus_rows
    from rnalearner.shards.read import ShardStore

    store = ShardStore.open(layout.shards)
    if config.gene2vec.path is not None:
        vectors = GeneVectors.load(config.gene2vec.path, store.gene_set, config.model.dim)
    else:
        rows = corpus_rows(store.obs, config.tasks).rows
        if config.gene2vec.method == "covariance":
            progress("gene2vec", 0, 1, "covariance within studies")
            # Made of the held-out studies too, they would be scored on what they have seen.
            split = config.pretrain.validation_share, config.pretrain.seed
            train, _ = split_studies(store.obs, rows, *split)
            vectors = covariance_vectors(store, train, config.gene2vec, config.model.dim)
        else:
            progress("gene2vec", 0, 1, "co-expressed pairs and skip-gram")
            vectors = learn_gene_vectors(store, rows, config.gene2vec, config.model.dim)
    vectors.save(layout.gene_vectors)
    return {
        "genes": len(store.gene_set),
        "dim": vectors.dim,
        "genes_without_partner": vectors.n_unknown,
        "pairs": vectors.about.get("n_pairs"),
    }
