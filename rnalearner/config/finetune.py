"""Phase III."""

from typing import Literal

from pydantic import Field, model_validator

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
    """Peak of the learning rate: one for all arms."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """sgd: momentum 0.9, its rate in units of the first gradient's rms over the encoder, and over the head,
    so that a first step moves a typical parameter by the learning rate, as AdamW's: one rate serves both."""
    weight_decay: float = Field(0.01, ge=0)
    restart_epochs: int = Field(25, ge=1)
    """First period of the cosine annealing with warm restarts."""
    restart_mult: int = Field(2, ge=1)
    clip_norm: float = Field(1.0, gt=0)
    trained_blocks: int = Field(1, ge=0)
    """Last blocks that train, with the final norm and the head; 0 trains all."""
    trained_part: Literal["block", "feedforward"] = "block"
    """feedforward: of the one trained block only what works gene by gene; its attention is kept with the
    frozen activations, which makes a step some ten times cheaper."""
    genes_per_step: int = Field(0, ge=0)
    """Genes drawn anew for each step of training; 0 takes all. Needs `trained_part` feedforward."""
    head: Literal["gene_pool", "conv", "mean_pool", "attention_pool", "gene_readout"] = "gene_pool"
    """gene_pool: linear, co-expressed genes vote together. mean_pool, attention_pool: linear on the mean
    over genes, evenly or with learned weights. gene_readout: linear on one number a gene, which the gene
    guide weighs in guided arms. conv: the published head."""
    gene_guide_power: float = Field(1.0, ge=0)
    """Head gene_readout, guided arms: a gene counts by its guide to this power over its residual spread."""
    initial_head: Literal["random", "ridge"] = "random"
    """ridge: the head starts as the ridge regression on the frozen features; not for conv."""
    head_penalty: float = Field(0.1, gt=0)
    """Of that ridge, in units of the features' mean square over the training samples."""
    skip: Literal["none", "linear", "guided"] = "none"
    """A linear model on log2 CPM beside the encoder (section `linear`), whose logits are added: the model
    starts as good as that. guided: behind the gene guide in guided arms. Benchmark only."""
    start_penalty: float = Field(0.0, ge=0)
    """Weight of the squared distance of encoder and head from where they started."""
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

    @model_validator(mode="after")
    def _parts_that_fit(self) -> "FinetuneConfig":
        if self.trained_part == "feedforward" and self.trained_blocks != 1:
            raise ValueError("trained_part feedforward is of one block: set trained_blocks to 1")
        if self.genes_per_step and (self.trained_part != "feedforward" or self.head == "conv"):
            raise ValueError("genes_per_step needs trained_part feedforward, and a head that pools genes")
        if self.initial_head == "ridge" and self.head == "conv":
            raise ValueError("initial_head ridge needs a head that is linear in its features, not conv")
        return self
