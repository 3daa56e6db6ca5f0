"""The steps of `explore`, each of which is kept. Shapes: n samples, k components."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jobs.phase import Figures, Progress
from rnalearner.checkpoint import load_arrays, save_arrays
from rnalearner.clustering.assign import n_starts, nearest, sample_cluster_centres
from rnalearner.clustering.choice import choice_of_k
from rnalearner.clustering.embed import principal_components
from rnalearner.clustering.flat_map import placed, umap_positions
from rnalearner.clustering.pieces import StoredValues, gathered, pieces
from rnalearner.clustering.stored import StoredClusters
from rnalearner.clustering.strata import stratified_rows
from rnalearner.clustering.streaming import streamed_components, streamed_scores
from rnalearner.config import RunConfig
from rnalearner.each import Each
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from rnalearner.preprocessing.normalize import Scale, quickly_scaled
from rnalearner.publish import write_json
from rnalearner.report.explore_figures import (
    draw_choice_of_k,
    draw_pair_plot,
    draw_sample_clusters,
    drawn_rows,
)
from rnalearner.shards.corpus import Corpus, corpus_rows
from rnalearner.shards.read import ShardStore
from rnalearner.spreadsheet import write_csv

log = logging.getLogger(__name__)

CAPTIONS = {
    "pca_by_modality.png": "Principal components of raw counts (left) and after preprocessing (right), "
    "by modality: single cells are told apart and kept out of pretraining.",
    "pca_by_study.png": "The same for bulk samples alone, by study.",
    "k_choice.png": "What speaks for a K. Left: how much closer samples are to their own sample cluster "
    "than to the next. Right: how far k-means of two random parts of the samples agree on a third; 0 is "
    "chance, the band spans the draws. High is good; neither knows what a sample cluster means.",
    "sample_clusters.png": "Sample clusters of bulk samples for every K, on a UMAP of a sample of them, "
    "as many of each study as there are; the others stand beside those that they resemble.",
}


@dataclass(frozen=True)
class Exploration:
    """One run of `explore` over a store."""

    config: RunConfig
    layout: RunLayout
    progress: Progress
    each: Each
    store: ShardStore
    corpus: Corpus
    explored: np.ndarray
    """Rows that are explored: the corpus, or all bulk samples where there is none."""
    rngs: dict[str, np.random.Generator]
    """One a step, so that a step which is kept leaves the others theirs."""

    @classmethod
    def of(cls, config: RunConfig, layout: RunLayout, progress: Progress, each: Each) -> "Exploration":
        store = ShardStore.open(layout.shards)
        corpus = corpus_rows(store.obs, config.tasks)
        bulk = np.flatnonzero(store.obs["modality"] == "bulk")
        names = ("components", "k-means", "choice", "modality", "study", "map")
        rngs = np.random.default_rng(config.clustering.seed).spawn(len(names))
        explored = corpus.rows if len(corpus.rows) else bulk
        found = dict(zip(names, rngs, strict=True))
        return cls(config, layout, progress, each, store, corpus, explored, found)

    def run(self) -> Figures:
        steps = 7 if self.config.figures.umap else 6
        self.progress("explore", 0, steps, "components")
        stored = self._components()
        self.progress("explore", 1, steps, "projection")
        scores_nk = self._scores(stored)
        self.progress("explore", 2, steps, "k-means")
        stored = self._centres(stored, scores_nk)
        labels = {k: nearest(scores_nk, centres_ck) for k, centres_ck in stored.centres.items()}
        k = self._chosen(labels)
        table = self._table(labels, k)
        self.progress("explore", 3, steps, "choice of K")
        studies_n = table["study"].to_numpy()
        choice = choice_of_k(scores_nk, studies_n, labels, self.rngs["choice"], self.each)
        write_csv(self.layout.k_choice, choice)
        figures = self.layout.explore_figures
        figures.mkdir(parents=True, exist_ok=True)
        draw_choice_of_k(choice, figures / "k_choice.png", chosen=k)
        self._pair_plots(steps)
        if self.config.figures.umap:
            self.progress("explore", 6, steps, "UMAP")
            positions_n2 = self._map(scores_nk, studies_n)
            draw_sample_clusters(positions_n2, labels, figures / "sample_clusters.png", chosen=k)
        write_json(figures / "captions.json", CAPTIONS)
        return self._figures(stored, table, k)

    def _components(self) -> StoredClusters:
        """Those to be applied, those that an interrupted attempt left, or new ones."""
        settings, folder = self.config.clustering, self.layout.components
        gene_set, scale = self.store.gene_set.sha256, Scale.of(self.store.preprocessing).as_dict()
        if settings.onto is not None:
            stored = StoredClusters.load(settings.onto, gene_set, scale)
            if settings.onto.resolve() != folder.resolve():
                stored.save(folder)
            return stored
        if folder.exists():
            return StoredClusters.load(folder, gene_set, scale)
        fit = streamed_components(
            StoredValues(self.store),
            self._pieces(),
            settings.n_components,
            self.rngs["components"],
            each=self.each,
            tolerance=settings.tolerance,
            max_passes=settings.max_passes,
            on_piece=self._on_piece,
        )
        if fit.change > settings.tolerance:
            log.warning("components still moved by %.2g after %d passes", fit.change, fit.passes)
        theirs = {"gene_set": gene_set, "scale": scale}
        told = {"samples": len(self.explored), "passes": fit.passes, "change": fit.change}
        stored = StoredClusters(fit.components, {}, {**theirs, **told})
        stored.save(folder)
        return stored

    def _scores(self, stored: StoredClusters) -> np.ndarray:
        if self.layout.scores.exists():
            return load_arrays(self.layout.scores)[0]["scores"]
        scores_nk = streamed_scores(
            StoredValues(self.store),
            self._pieces(),
            stored.components,
            each=self.each,
            on_piece=self._on_piece,
        )
        save_arrays(self.layout.scores, {"scores": scores_nk, "rows": self.explored}, stored.meta)
        return scores_nk

    def _centres(self, stored: StoredClusters, scores_nk: np.ndarray) -> StoredClusters:
        settings = self.config.clustering
        if stored.centres:
            asked = {k: stored.centres[k] for k in settings.k_list if k in stored.centres}
            if missing := [k for k in settings.k_list if k not in asked]:
                log.warning("K = %s skipped: no centres are stored for it", missing)
            return stored.with_centres(asked)
        centres = sample_cluster_centres(scores_nk, settings.k_list, self.rngs["k-means"], self.each)
        stored = stored.with_centres(centres)
        stored.save(self.layout.components)
        return stored

    def _chosen(self, labels: dict[int, np.ndarray]) -> int:
        k = self.config.clustering.k
        if not len(self.corpus.rows):
            k = max((drawn for drawn in labels if drawn <= k), default=k)
        if k not in labels:
            what = f"clustering.k = {k} is not below the {len(self.explored)} bulk samples"
            if self.config.clustering.onto is not None:
                what = f"clustering.k = {k} has no centres in {self.config.clustering.onto}"
            raise RecipeError(self.layout.root, what, "choose a smaller k")
        return k

    def _table(self, labels: dict[int, np.ndarray], k: int) -> pd.DataFrame:
        named = {f"k{drawn}": labels_n for drawn, labels_n in labels.items()}
        table = self.store.obs.loc[self.explored, ["sample", "study"]].assign(
            **named, sample_cluster=labels[k]
        )
        write_csv(self.layout.sample_clusters, table, index_label="row")
        return table

    def _pair_plots(self, steps: int) -> None:
        """Of so few samples that their counts fit in memory."""
        obs, settings = self.store.obs, self.config.figures
        with_single_cells = np.union1d(self.explored, np.flatnonzero(obs["modality"] != "bulk"))
        for step, (column, rows) in enumerate((("modality", with_single_cells), ("study", self.explored)), 4):
            self.progress("explore", step, steps, f"pictures by {column}")
            rng = self.rngs[column]
            studies_n = obs["study"].to_numpy()[rows]
            rows = rows[drawn_rows(studies_n, len(self.store.gene_set), settings.sample_share, rng)]
            drawn = obs.iloc[rows]
            values_ng = gathered(StoredValues(self.store, raw=True), rows, self.each)
            raw_nk = principal_components(values_ng, settings.n_components, rng)[0]
            values_ng = quickly_scaled(values_ng, drawn["total"].to_numpy(), self.store.preprocessing.scale)
            preprocessed_nk = principal_components(values_ng, settings.n_components, rng)[0]
            draw_pair_plot(raw_nk, preprocessed_nk, drawn, column, self.layout.explore_figures)

    def _map(self, scores_nk: np.ndarray, studies_n: np.ndarray) -> np.ndarray:
        mapped = stratified_rows(studies_n, self.config.figures.umap_samples, self.rngs["map"])
        positions_m2 = umap_positions(scores_nk[mapped], self.config.clustering.seed)
        positions_n2 = placed(scores_nk, mapped, positions_m2, self.each)
        table = pd.DataFrame(positions_n2, index=self.explored, columns=["umap1", "umap2"])
        table["mapped"] = np.isin(np.arange(len(table)), mapped)
        write_csv(self.layout.umap, table, index_label="row")
        return positions_n2

    def _figures(self, stored: StoredClusters, table: pd.DataFrame, k: int) -> dict[str, Any]:
        sizes = table["sample_cluster"].value_counts()
        onto = self.config.clustering.onto
        return {
            "bulk_samples": len(self.explored),
            "studies": int(table["study"].nunique()),
            "left_out": self.corpus.left_out,
            "components": len(stored.components.axes_kg),
            "variance_share": round(float(stored.components.variance_share_k.sum()), 4),
            "passes": stored.meta.get("passes"),
            "change": stored.meta.get("change"),
            "k_means_starts": n_starts(len(self.explored)),
            "onto": None if onto is None else str(onto),
            "k": k,
            "smallest_sample_cluster": int(sizes.min()),
            "largest_sample_cluster": int(sizes.max()),
        }

    def _pieces(self) -> list[np.ndarray]:
        return pieces(self.explored, self.store.group_starts)

    def _on_piece(self, what: str, done: int, total: int) -> None:
        self.progress(what, done, total)
