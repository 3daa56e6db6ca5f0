"""Phase I."""

from typing import Literal

from pydantic import Field

from rnalearner.config.section import Section


class PretrainConfig(Section):
    """Masked-bin pretraining, data-parallel by Ray Train."""

    num_workers: int = Field(2, ge=1)
    """Data-parallel workers."""
    batch_size: int = Field(8, ge=1)
    """Samples a worker and step of backward."""
    accumulate: int = Field(1, ge=1)
    """Backward passes a step of the optimiser."""
    max_steps: int = Field(1000, ge=1)
    """Steps of the optimiser at most."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak of AdamW's learning rate."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay."""
    warmup_steps: int = Field(20, ge=0)
    """Steps of linear warm-up."""
    restart_steps: int = Field(500, ge=1)
    """First period of the cosine annealing with warm restarts."""
    restart_mult: int = Field(2, ge=1)
    """Each period is so many times the one before."""
    clip_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    mask_share: float = Field(0.15, gt=0, lt=1)
    """Share of the non-zero bins that are predicted."""
    replace_share: float = Field(0.9, gt=0, le=1)
    """Share of these that become MASK; the rest stay as they are."""
    thinning: float = Field(0.0, ge=0, lt=1)
    """Counts are thinned binomially to a share drawn from [1 - thinning, 1]: augmentation."""
    validation_share: float = Field(0.2, gt=0, lt=1)
    """Share of the corpus *studies* held out."""
    evaluate_every: int = Field(100, ge=1)
    """Steps between validations; a checkpoint is written at each."""
    patience: int = Field(3, ge=1)
    """Validations without a better loss before training stops."""
    validation_samples: int = Field(256, ge=1)
    """Samples of the held-out studies scored at each validation, at most."""
    redraw_steps: int = Field(0, ge=0)
    """Steps between new random projections; 0 keeps them."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """`auto`: bf16 where the device computes in it (GPUs), float32 on CPUs."""
    compile: bool = False
    """torch.compile the encoder where it has no kernels of its own: they are three times as fast."""
    seed: int = 0
