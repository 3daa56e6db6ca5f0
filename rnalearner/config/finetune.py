"""Phase III."""

from typing import Literal

from pydantic import Field

from rnalearner.config.section import Section

Arm = Literal["none", "vectors", "pretrained", "guided"]


class FinetuneConfig(Section):
    """Few-shot fine-tuning, the same for every arm."""

    arms: tuple[Arm, ...] = ("none", "pretrained", "guided")
    """none: nothing learned from the corpus, weights and gene vectors random. vectors: random weights,
    the corpus' gene vectors. pretrained: Phase I. guided: Phase I and the guide."""
    seeds: int = Field(5, ge=1)
    """Runs of every arm, each with its own head and order of samples."""
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(12, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    """Peak of AdamW's learning rate: one for all arms."""
    weight_decay: float = Field(0.01, ge=0)
    restart_epochs: int = Field(25, ge=1)
    """First period of the cosine annealing with warm restarts."""
    restart_mult: int = Field(2, ge=1)
    clip_norm: float = Field(1.0, gt=0)
    trained_blocks: int = Field(1, ge=0)
    """Last blocks that train, with the final norm and the head; 0 trains all."""
    head: Literal["gene_pool", "conv"] = "gene_pool"
    """gene_pool: linear, co-expressed genes vote together. conv: the published head."""
    cohort_centring: bool = True
    """Subtract each dataset's own unlabelled mean before the head: transductive, and said so."""
    guide_form: Literal["update", "gradient"] = "update"
    """update: w <- w_prev + g (w_new - w_prev). gradient: as published; Adam undoes it."""
    guide_temperature: float = Field(1.0, gt=0)
    """Guide values are raised to 1 / temperature: above 1 they let more move, below 1 less."""
    select: Literal["last", "validation"] = "last"
    """The epoch that is scored: the last one, or the one of the lowest validation loss."""
    evaluate_every: int = Field(5, ge=1)
    """Epochs between points of the curves."""
    in_flight: int = Field(2, ge=1)
    """Fine-tuning runs at once."""
    prefix_cache_mb: int = Field(2048, ge=0)
    """Activations below the first trained block are kept up to this size, else recomputed."""
    seed: int = 0
