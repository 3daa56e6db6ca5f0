"""Every path inside a run's folder, named once."""

from dataclasses import dataclass
from pathlib import Path

PHASES = ("ingest", "explore", "genes", "gene2vec", "pretrain", "scout", "linear", "finetune", "report")
"""Of a whole run, in their order; `tune`, `predict` and `export` stand beside it."""


@dataclass(frozen=True)
class RunLayout:
    """A run's folder: one subfolder a phase; `phase.json` in it says that the phase is complete."""

    root: Path

    def phase(self, name: str) -> Path:
        return self.root / name

    def marker(self, name: str) -> Path:
        """Written last: what was run, how long it took, key figures, a fingerprint of its inputs."""
        return self.phase(name) / "phase.json"

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.json"

    @property
    def simulated(self) -> Path:
        """The simulated compendium, in recount3's file layout."""
        return self.root / "simulated"

    @property
    def mirror(self) -> Path:
        """The simulated compendium as it was downloaded from this machine's own server."""
        return self.root / "mirror"

    @property
    def shards(self) -> Path:
        return self.phase("ingest") / "shards"

    @property
    def wide_shards(self) -> Path:
        """The same samples with every gene that gene-level scouts can use, in the panel or not."""
        return self.phase("ingest") / "wide_shards"

    @property
    def ingest_report(self) -> Path:
        """What was read, per study: orientation, ids, samples kept and dropped with reasons."""
        return self.phase("ingest") / "studies.json"

    @property
    def sample_clusters(self) -> Path:
        """CSV: sample, study, one column k{K} for each K, and `sample_cluster`."""
        return self.phase("explore") / "sample_clusters.csv"

    @property
    def components(self) -> Path:
        """Principal components, and centres of sample clusters for each K: what other samples can get."""
        return self.phase("explore") / "components"

    @property
    def scores(self) -> Path:
        """Scores of the explored samples along the principal components."""
        return self.phase("explore") / "scores"

    @property
    def k_choice(self) -> Path:
        """CSV: a row a K: silhouette, stability, smallest and largest sample cluster."""
        return self.phase("explore") / "k_choice.csv"

    @property
    def umap(self) -> Path:
        """CSV: row, umap1, umap2, and whether the map was made of the sample or it was placed on it."""
        return self.phase("explore") / "umap.csv"

    @property
    def explore_figures(self) -> Path:
        return self.phase("explore") / "figures"

    @property
    def gene_vectors(self) -> Path:
        return self.phase("gene2vec") / "vectors"

    @property
    def vector_sets(self) -> Path:
        """CSV: a row a gene set: genes, and how much closer members lie than random genes (AUROC)."""
        return self.phase("gene2vec") / "sets.csv"

    @property
    def base_checkpoint(self) -> Path:
        """The pretrained encoder with the best validation loss."""
        return self.phase("pretrain") / "base_checkpoint"

    @property
    def pretrain_state(self) -> Path:
        """The newest resumable state: weights, optimiser, position."""
        return self.phase("pretrain") / "state"

    @property
    def pretrain_metrics(self) -> Path:
        """CSV of the loss and masked scores, a row an evaluation."""
        return self.phase("pretrain") / "metrics.csv"

    @property
    def ray_train(self) -> Path:
        """Ray Train's own storage."""
        return self.phase("pretrain") / "ray"

    @property
    def deltas(self) -> Path:
        """What the scouts sent, and the ledger of it, a folder a scouting, where no other place is named.

        Beside the phases: a guide of another measure is made of the same deltas.
        """
        return self.root / "deltas"

    @property
    def guide(self) -> Path:
        """The newest version of the guide."""
        return self.phase("scout") / "guide"

    @property
    def movement(self) -> Path:
        """The sums that the guide was scaled from: what further scouts join."""
        return self.phase("scout") / "movement"

    def guide_version(self, number: int) -> Path:
        """JSON, written last: a version's checksum, its parent's, its members, its agreement with it."""
        return self.phase("scout") / "versions" / f"{number:05d}.json"

    def guide_table(self, table: str) -> Path:
        """CSV `table` of the guide: versions, tensors, layers, genes, members."""
        return self.phase("scout") / f"guide_{table}.csv"

    @property
    def scouts(self) -> Path:
        """CSV: a row a scout: task, samples, epochs, accuracy, how far it moved."""
        return self.phase("scout") / "scouts.csv"

    @property
    def gene_guide(self) -> Path:
        """One number a gene, from gene-level scouts."""
        return self.phase("genes") / "gene_guide"

    def linear(self, table: str) -> Path:
        """CSV `table` of the linear models: runs, predictions, genes; rivals, rival_predictions.

        Of a task without a test, rows of the split `held_out` are of samples held out in turn.
        """
        return self.phase("linear") / f"{table}.csv"

    @property
    def linear_classifiers(self) -> Path:
        """What the guided linear learner learned, for new samples: <task>/, and an index."""
        return self.phase("linear") / "classifiers"

    def finetune(self, table: str) -> Path:
        """CSV `table` of Phase III: runs, curves, predictions."""
        return self.phase("finetune") / f"{table}.csv"

    @property
    def classifiers(self) -> Path:
        """What fine-tuning learned, for new samples: <task>/<arm>/<seed>/, and an index."""
        return self.phase("finetune") / "classifiers"

    @property
    def report(self) -> Path:
        return self.phase("report")

    @property
    def report_figures(self) -> Path:
        """Every figure of the page as <name>.svg, and figures.json: file, title and caption of each."""
        return self.phase("report") / "figures"

    @property
    def report_answers(self) -> Path:
        """JSON: each task's scored samples, scores and genes, as `report.answers` shapes them."""
        return self.phase("report") / "answers.json"

    @property
    def best_recipe(self) -> Path:
        """TOML: the run's recipe with the best trial's settings, as `finetune` takes it."""
        return self.phase("tune") / "best.toml"

    @property
    def trials(self) -> Path:
        """CSV: a row a trial: its settings, its loss, how far it ran."""
        return self.phase("tune") / "trials.csv"

    @property
    def trial_journal(self) -> Path:
        """What is known of the trials while they run: append-only, a JSON object a line."""
        return self.phase("tune") / "trials.jsonl"

    @property
    def ray_tune(self) -> Path:
        """Ray Tune's own storage."""
        return self.phase("tune") / "ray"

    @property
    def activations(self) -> Path:
        """The frozen prefix's activations, which trials share."""
        return self.phase("tune") / "activations"

    def predictions(self, suffix: str) -> Path:
        """What the classifiers say of new samples, as h5ad, parquet or csv."""
        return self.phase("predict") / f"predictions.{suffix}"

    @property
    def predict_answers(self) -> Path:
        """JSON: the same of new samples, in the shape of a report's answers."""
        return self.phase("predict") / "answers.json"

    @property
    def exported(self) -> "PublishedModel":
        return PublishedModel(self.phase("export") / "model")

    @property
    def attempts(self) -> Path:
        """A folder a command that ran here, by its number."""
        return self.root / "attempts"

    def attempt(self, number: int) -> "AttemptLayout":
        return AttemptLayout(self.attempts / str(number))


@dataclass(frozen=True)
class AttemptLayout:
    """One command's record of itself."""

    root: Path

    @property
    def events(self) -> Path:
        """Append-only, one JSON object a line, numbered from 1."""
        return self.root / "events.jsonl"

    @property
    def heartbeat(self) -> Path:
        """JSON with a number that grows while the command lives."""
        return self.root / "heartbeat.json"

    @property
    def log(self) -> Path:
        """Standard output and error, where a cluster runs the command."""
        return self.root / "log.txt"

    @property
    def result(self) -> Path:
        """Written last, whole or not at all: how it ended, and every file it made with its sha256."""
        return self.root / "result.json"


@dataclass(frozen=True)
class PublishedModel:
    """A folder that others may start from."""

    root: Path

    @property
    def card(self) -> Path:
        """JSON: genes, scale, sizes, corpus, scores beside the trivial ones, licence."""
        return self.root / "card.json"

    @property
    def genes(self) -> Path:
        """One Ensembl id a line, in the order of the model's columns."""
        return self.root / "genes.txt"

    @property
    def base_checkpoint(self) -> Path:
        return self.root / "base_checkpoint"

    @property
    def guide(self) -> Path:
        """Absent where the model has none."""
        return self.root / "guide"

    @property
    def gene_guide(self) -> Path:
        """Absent where the model has none."""
        return self.root / "gene_guide"

    def guide_table(self, table: str) -> Path:
        """CSV `table` of the guide: layers, tensors, genes (those that moved furthest); absent where it
        has none, or is of a version that wrote none."""
        return self.root / f"guide_{table}.csv"

    @property
    def gene_guide_table(self) -> Path:
        """CSV of the gene guide: gene, symbol, guide, n_studies, the highest first; absent likewise."""
        return self.root / "gene_guide.csv"


@dataclass(frozen=True)
class BenchmarkLayout:
    """What `rnalearner benchmark` leaves in its --out."""

    root: Path

    @property
    def pieces(self) -> Path:
        """Finished pieces, by their fingerprints: what a repeated command goes on from."""
        return self.root / "pieces"

    @property
    def surveys(self) -> Path:
        """Draws and leaks of every task, by their fingerprints."""
        return self.root / "surveys"

    @property
    def draws(self) -> Path:
        """CSV: task, k, draw, and the names of training and test samples."""
        return self.root / "draws.csv"

    @property
    def results(self) -> Path:
        """CSV: a row a task, k, draw, seed, arm and centring."""
        return self.root / "results.csv"

    @property
    def permutation(self) -> Path:
        """CSV: p of a 6+6 training set against relabelled ones, a row a task and arm."""
        return self.root / "permutation.csv"

    @property
    def summary(self) -> Path:
        """JSON: means, intervals and differences, and what was run."""
        return self.root / "summary.json"

    @property
    def tables(self) -> Path:
        """Markdown: the tables of the report, to be pasted elsewhere."""
        return self.root / "tables.md"

    @property
    def report(self) -> Path:
        return self.root / "report.html"
