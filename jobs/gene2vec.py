"""Gene vectors: learned from the corpus' co-expression, or loaded."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout

if TYPE_CHECKING:
    from rnalearner.model.co_expression import ResidualSketch
    from rnalearner.model.gene2vec import GeneVectors
    from rnalearner.scouts.samples import GeneSets
    from rnalearner.shards.read import ShardStore


def held_out(config: RunConfig) -> dict[str, Any]:
    """What decides which studies gene vectors may not see; of skip-gram, nothing."""
    if config.gene2vec.method == "skipgram":
        return {}
    return {"held out": [config.pretrain.validation_share, config.pretrain.seed]}


def judged_by(config: RunConfig) -> list[Path]:
    """The user's table of sets that the vectors are judged by."""
    return [] if config.gene2vec.sets is None else [config.data.root / config.gene2vec.sets]


def vector_files(config: RunConfig) -> list[Path]:
    """The user's vectors, and the files that tell whose they are."""
    given = (config.gene2vec.path, config.gene2vec.names, config.gene2vec.orthologs)
    return [path for path in given if path is not None]


def naming_vectors(config: RunConfig) -> dict[str, Any]:
    """What of `gene2vec` decides which genes `data.panel_vectors` has."""
    if config.data.panel_vectors is None:
        return {}
    return {"panel_vectors": [str(config.gene2vec.names), str(config.gene2vec.orthologs)]}


def gene2vec(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Store one vector a gene of the run's gene set, of the model's width; judge them where sets are given.

    Raises GeneError for a table of sets that cannot be used, before anything is learned.
    """
    from rnalearner.shards.read import ShardStore

    store, settings = ShardStore.open(layout.shards), config.gene2vec
    sets, sketch = _sets(config), None
    if settings.path is not None:
        vectors = _loaded(config, settings.path, store)
    else:
        sketch = _sketch(config, store, progress)
        progress("gene2vec", 1, 2, f"{settings.method} of {sketch.n_samples} samples")
        vectors = _learned(config, sketch, store)
    vectors.save(layout.gene_vectors)
    figures = {
        "genes": len(store.gene_set),
        "dim": vectors.dim,
        "genes_without_partner": vectors.n_unknown,
        "pairs": vectors.about.get("n_pairs"),
    }
    named = ("n_vectors", "n_matched", "n_without_vector", "n_several_vectors", "n_not_one_to_one")
    figures |= {name.removeprefix("n_"): vectors.about[name] for name in named if name in vectors.about}
    if sketch is not None:
        figures |= {"samples": sketch.n_samples, "sketch_rows": len(sketch.residuals_rg)}
    if sets is not None:
        figures |= _judged(config, layout, vectors, sketch or _sketch(config, store, progress), sets)
    return figures


def _loaded(config: RunConfig, path: Path, store: "ShardStore") -> "GeneVectors":
    """Our own vectors as they are, by gene id; others by whatever names they have."""
    from rnalearner.counts.gene_table import read_gene_table
    from rnalearner.model.foreign_vectors import foreign_vectors
    from rnalearner.model.gene2vec import GeneVectors

    settings, data = config.gene2vec, config.data
    is_folder = path.is_dir() or (not path.is_file() and not path.suffix)
    if is_folder and settings.orthologs is None:
        return GeneVectors.load(path, store.gene_set, config.model.dim)
    symbols = None if data.genes is None else read_gene_table(data.root / data.genes)
    return foreign_vectors(
        path, store.gene_set, config.model.dim, settings.names, symbols, settings.orthologs
    )


def _sets(config: RunConfig) -> "GeneSets | None":
    from rnalearner.counts.gene_table import read_gene_table
    from rnalearner.scouts.sets import read_sets

    data = config.data
    for path in judged_by(config):
        return read_sets(path, None if data.genes is None else read_gene_table(data.root / data.genes))
    return None


def _sketch(config: RunConfig, store: "ShardStore", progress: Progress) -> "ResidualSketch":
    import numpy as np

    from jobs.workers import workers
    from rnalearner.model.co_expression import ResidualSketch
    from rnalearner.pretrain.split import split_studies
    from rnalearner.shards.corpus import corpus_rows

    settings = config.gene2vec
    rows = corpus_rows(store.obs, config.tasks).rows
    if settings.method == "covariance":
        # Made of the held-out studies too, they would be scored on what they have seen.
        rows, _ = split_studies(store.obs, rows, config.pretrain.validation_share, config.pretrain.seed)
    progress("gene2vec", 0, 2, f"what varies within studies, of {len(rows)} samples")
    with workers(config.ray) as each:
        rng = np.random.default_rng(settings.seed)
        return ResidualSketch.of(store, rows, settings.sketch_rows, rng, settings.max_samples, each)


def _learned(config: RunConfig, sketch: "ResidualSketch", store: "ShardStore") -> "GeneVectors":
    from rnalearner.model.covariance import covariance_vectors
    from rnalearner.model.gene2vec import learn_gene_vectors

    learn = covariance_vectors if config.gene2vec.method == "covariance" else learn_gene_vectors
    return learn(sketch, store.gene_set, config.gene2vec, config.model.dim)


def _judged(
    config: RunConfig, layout: RunLayout, vectors: "GeneVectors", sketch: "ResidualSketch", sets: "GeneSets"
) -> Figures:
    """Write how close the members of each set lie, by the vectors, by principal axes and by chance."""
    import numpy as np

    from rnalearner.model.covariance import covariance_vectors
    from rnalearner.model.gene2vec import random_vectors
    from rnalearner.model.vector_sets import mean_interval, score_sets
    from rnalearner.spreadsheet import write_csv

    settings, genes = config.gene2vec, vectors.gene_set
    told = {"vectors": vectors.vectors_gd, "random": random_vectors(genes, vectors.dim, settings.seed + 1)}
    if settings.method != "covariance" or settings.path is not None:  # else these axes are the vectors
        told["axes"] = covariance_vectors(sketch, genes, settings, vectors.dim).vectors_gd
    rng = np.random.default_rng(settings.seed)
    table = score_sets(told, vectors.learned(), sketch.mean_g, genes.ids, sets, rng)
    write_csv(layout.vector_sets, table, float_format="%.4f")
    mean, low, high = mean_interval(table["vectors"].to_numpy(), np.random.default_rng(0))
    figures = {"sets": len(table), "set_auroc": mean, "set_auroc_low": low, "set_auroc_high": high}
    figures |= {f"set_auroc_{name}": float(table[name].mean()) for name in told if name != "vectors"}
    return {name: value for name, value in figures.items() if value == value}
