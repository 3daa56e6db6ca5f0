"""Every path inside a run's folder, named once."""

from dataclasses import dataclass
from pathlib import Path

PHASES = ("ingest", "explore", "gene2vec", "pretrain", "scout", "finetune", "report")


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
    def shards(self) -> Path:
        return self.phase("ingest") / "shards"

    @property
    def ingest_report(self) -> Path:
        """What was read, per study: orientation, ids, samples kept and dropped with reasons."""
        return self.phase("ingest") / "studies.json"

    @property
    def sample_clusters(self) -> Path:
        """CSV: sample, study, one column k{K} for each K, and `sample_cluster`."""
        return self.phase("explore") / "sample_clusters.csv"

    @property
    def explore_figures(self) -> Path:
        return self.phase("explore") / "figures"

    @property
    def gene_vectors(self) -> Path:
        return self.phase("gene2vec") / "vectors"

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
        """What the scouts announced: a folder a scout, its newest delta and how it ended."""
        return self.phase("scout") / "deltas"

    @property
    def guide(self) -> Path:
        return self.phase("scout") / "guide"

    @property
    def scouts(self) -> Path:
        """CSV: a row a scout: task, samples, epochs, accuracy, how far it moved."""
        return self.phase("scout") / "scouts.csv"

    def finetune(self, table: str) -> Path:
        """CSV `table` of Phase III: runs, curves, predictions, linear."""
        return self.phase("finetune") / f"{table}.csv"

    @property
    def report(self) -> Path:
        return self.phase("report")
