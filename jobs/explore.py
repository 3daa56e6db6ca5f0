"""Principal components, sample clusters, and pictures of both."""

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout

CAPTIONS = {
    "pca_by_modality.png": "Principal components of raw counts (left) and after preprocessing (right), "
    "by modality: single cells are told apart and kept out of pretraining.",
    "pca_by_study.png": "The same for bulk samples alone, by study.",
    "sample_clusters.png": "Sample clusters of bulk samples for every K, on a UMAP.",
}


def explore(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Write sample_clusters.csv and the figures.

    Nothing here sees a task's samples, except where there are no others to see: then the pictures are
    of these, and a `clustering.k` beyond them becomes the largest that fits. No scout follows, because
    pretraining refuses such a run.
    """
    import numpy as np

    from rnalearner.clustering.assign import assign_sample_clusters
    from rnalearner.clustering.embed import principal_components
    from rnalearner.errors import RecipeError
    from rnalearner.publish import publish_file, write_json
    from rnalearner.report.explore_figures import (
        draw_pair_plot,
        draw_sample_clusters,
        drawn_rows,
        umap_positions,
    )
    from rnalearner.shards.corpus import corpus_rows
    from rnalearner.shards.read import ShardStore

    store = ShardStore.open(layout.shards)
    corpus = corpus_rows(store.obs, config.tasks)
    explored = corpus.rows if len(corpus.rows) else np.flatnonzero(store.obs["modality"] == "bulk")
    rng = np.random.default_rng(config.clustering.seed)
    steps = 5 if config.figures.umap else 4

    progress("explore", 0, steps, "components")
    scores_nk, _ = principal_components(store.values(explored), config.clustering.n_components, rng)
    progress("explore", 1, steps, "k-means")
    clusters = assign_sample_clusters(scores_nk, config.clustering.k_list, rng)
    fitting = [k for k in clusters if k <= config.clustering.k]
    k = config.clustering.k if len(corpus.rows) else max(fitting, default=config.clustering.k)
    if k not in clusters:
        what = f"clustering.k = {k} is not below the {len(explored)} bulk samples"
        raise RecipeError(layout.root, what, "choose a smaller k")
    table = store.obs.loc[explored, ["sample", "study"]].assign(
        **{f"k{drawn}": labels_n for drawn, labels_n in clusters.items()}, sample_cluster=clusters[k]
    )
    with publish_file(layout.sample_clusters) as temporary:
        table.to_csv(temporary, index_label="row")

    layout.explore_figures.mkdir(parents=True, exist_ok=True)
    with_single_cells = np.union1d(explored, np.flatnonzero(store.obs["modality"] != "bulk"))
    for step, (column, rows) in enumerate((("modality", with_single_cells), ("study", explored)), start=2):
        progress("explore", step, steps, f"pictures by {column}")
        rows = rows[drawn_rows(len(rows), config.figures.sample_share, rng)]
        raw_nk, preprocessed_nk = (
            principal_components(values_ng, config.figures.n_components, rng)[0]
            for values_ng in (store.counts(rows)[0], store.values(rows))
        )
        draw_pair_plot(raw_nk, preprocessed_nk, store.obs.iloc[rows], column, layout.explore_figures)
    if config.figures.umap:
        progress("explore", 4, steps, "UMAP")
        positions_n2 = umap_positions(scores_nk, config.clustering.seed)
        path = layout.explore_figures / "sample_clusters.png"
        draw_sample_clusters(positions_n2, clusters, path, chosen=k)
    write_json(layout.explore_figures / "captions.json", CAPTIONS)
    sizes = table["sample_cluster"].value_counts()
    return {
        "bulk_samples": len(explored),
        "studies": int(store.obs.loc[explored, "study"].nunique()),
        "left_out": corpus.left_out,
        "k": k,
        "smallest_sample_cluster": int(sizes.min()),
        "largest_sample_cluster": int(sizes.max()),
    }
