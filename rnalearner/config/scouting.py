"""Phase II, and the gene-level scouts: which contrasts teach, and how."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from rnalearner.config.section import Section

Strategy = Literal[
    "cluster_pairs",
    "graded",
    "one_against_rest",
    "within_study",
    "labelled",
    "inside_study",
    "within_tissue",
    "gene_sets",
]
Measure = Literal["squared", "absolute", "signal_to_noise"]
Weighing = Literal["evenly", "convergence", "effect"]
BETWEEN_CLUSTERS: tuple[Strategy, ...] = ("cluster_pairs", "graded", "one_against_rest")
"""Strategies that tell sample clusters of the whole corpus apart: they need `explore`."""


class ContrastConfig(Section):
    """Which groups of samples scouts tell apart."""

    strategy: Strategy = "cluster_pairs"
    """`cluster_pairs`: two sample clusters, as published. `graded`: the same, evenly from easy to hard.
    `one_against_rest`: a sample cluster against all others. `within_study`: contrasts inside one study,
    without labels. `labelled`: a label against the others inside one study. `inside_study`: `labelled`
    where the study has labels, else `within_study`. `within_tissue`: groups inside one tissue.
    `gene_sets`: a gene set high or low inside one study."""
    max_samples: int = Field(13000, ge=8)
    """Samples of a contrast, at most; both sides are cut alike."""
    min_samples: int = Field(8, ge=4)
    """Smaller sample clusters, studies and tissues do not scout; the report names them."""
    label_column: str = "label"
    """Column of the sheets that `labelled` reads."""
    inside: Literal["tissue", "study"] = "tissue"
    """What `within_tissue` looks into; samples without a tissue count with their study."""
    sets: Path | None = None
    """CSV that `gene_sets` reads: columns tf, target (and mor: its sign) or set, gene (and sign); genes
    by Ensembl id, or by symbol where `data.genes` is given. Relative to `data.root`."""
    min_set_genes: int = Field(5, ge=2)
    """Genes of a set that a study must measure."""
    seed: int = 0

    @model_validator(mode="after")
    def _sets_are_named(self) -> "ContrastConfig":
        if self.strategy == "gene_sets" and self.sets is None:
            raise ValueError("the strategy gene_sets needs a table of sets: name it in `sets`")
        return self


class ScoutingConfig(ContrastConfig):
    """Scouts and the guide they make."""

    n_scouts: int = Field(24, ge=1)
    """Scouts; raised where needed so that no sample cluster, study or tissue is left out."""
    in_flight: int = Field(2, ge=1)
    """Scouts at once."""
    validation_share: float = Field(0.2, gt=0, lt=1)
    """Share of a contrast's samples held out."""
    validation_samples: int = Field(512, ge=2)
    """Held-out samples that are asked after every round, at most."""
    batch_size: int = Field(8, ge=1)
    round_samples: int = Field(1024, ge=1)
    """Training samples between two looks at the held-out ones; an epoch where that is fewer."""
    max_epochs: int = Field(20, ge=1)
    """Epochs at most; a scout stops when it has converged."""
    converged_accuracy: float = Field(0.95, gt=0, le=1)
    """Held-out accuracy at which a scout has converged, once held-out loss no longer falls."""
    learning_rate: float = Field(1e-4, gt=0)
    """Adam's learning rate."""
    trained_blocks: int = Field(1, ge=0)
    """Last blocks that train, with the final norm and the head; 0 trains all."""
    head: Literal["gene_pool", "conv"] = "gene_pool"
    """As in fine-tuning; a head of another kind would move other parameters."""
    measure: Measure = "squared"
    """How far a parameter moved: mean over scouts of the squared or the absolute delta; or how alike they
    moved it, (mean delta)^2 / mean delta^2."""
    weighing: Weighing = "evenly"
    """What a scout counts for: the same as any other; by how well it told its held-out samples apart; or
    so that those which moved far count no more than those which moved little."""
    scaling: Literal["per_tensor", "model_wide"] = "per_tensor"
    """Min-max scaling to [0, 1] within each tensor, or over the whole model."""
    max_movement: float = Field(3.0, gt=0)
    """A delta whose root mean square exceeds so many times that of the base's parameters is outlying, and
    stays out of the guide."""
    guide_agreement: float = Field(0.999, gt=0, le=1)
    """Scouting stops once three versions of the guide in a row, each of one scout more, rank parameters as
    the one before did (Spearman) to this degree; 1 never stops before the last scout."""
    quorum: float = Field(1.0, gt=0, le=1)
    """Share of the scouts that the guide waits for. 1 waits for all (the guide is the same whatever fails);
    below, `grace_s` after so many have ended the others are left out, and the guide says whose it is."""
    grace_s: float = Field(60.0, ge=0)
    """Seconds that stragglers have, once the quorum is met."""
    onto: Path | None = None
    """Folder of an earlier run's movement (RUN/scout/movement) that these scouts join; of the same base
    checkpoint."""
    deltas: str | None = None
    """Where deltas lie: a folder that all hosts share, or a URL that fsspec knows; without it, in the run."""
    prefix_cache_mb: int = Field(1024, ge=0)
    """Activations below the first trained block are kept up to this size by each of the scouts in flight,
    from one scout to the next; others are computed at each use."""
    head_seed: int = 0
    """Every scout's head starts alike, so that its positions mean the same."""


class GenesConfig(ContrastConfig):
    """Gene-level scouts and the gene guide they make: one number a gene."""

    strategy: Strategy = "inside_study"
    average: Literal["arithmetic", "geometric"] = "geometric"
    """Of studies: how far genes moved in them. `geometric` asks for genes that move in most of them."""
    per_group: int = Field(24, ge=1)
    """Contrasts of each study, tissue or sample cluster."""
    max_samples: int = Field(1000, ge=8)
    """Samples of a contrast, at most: they are held with all genes, several times over."""
    min_samples: int = Field(6, ge=4)
    """Smaller studies, tissues and sample clusters do not scout."""
    measure: Literal["squared", "absolute"] = "squared"
    """Mean over contrasts of the squared or the absolute moderated t; the latter hears loud studies less."""
    min_cpm: float = Field(1.0, ge=0)
    """A study speaks of the genes whose mean CPM in it is above this."""
    min_studies: int = Field(2, ge=1)
    """Genes of fewer such studies are not in the guide (where the corpus has as many)."""
