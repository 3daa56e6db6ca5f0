"""The search for fine-tuning settings."""

from typing import Literal

from pydantic import Field, model_validator

from rnalearner.config.finetune import Arm
from rnalearner.config.section import Section


class TuneConfig(Section):
    """Ray Tune over `finetune`: what may vary, how a trial is judged, how many there are."""

    task: str | None = None
    """The task to tune on; without it, the first one."""
    arm: Arm | None = None
    """The arm to tune; without it, the last of `finetune.arms`."""
    num_samples: int = Field(16, ge=1)
    """Trials, whatever happens in between; the first one has the recipe's own settings."""
    in_flight: int = Field(2, ge=1)
    """Trials at once."""
    objective: Literal["folds", "validation"] = "folds"
    """`folds`: loss on held-out parts of the training samples. `validation`: on the declared validation
    study. The test side is never opened."""
    folds: int = Field(3, ge=2)
    """Parts of the training samples, balanced by group and never cutting a subject."""
    seeds: int = Field(1, ge=1)
    """Heads a trial is averaged over."""
    learning_rate: tuple[float, float] = (3e-4, 3e-2)
    """Range, sampled evenly in its logarithm."""
    head: tuple[Literal["gene_pool", "conv"], ...] = ("gene_pool", "conv")
    trained_blocks: tuple[int, ...] = (1, 2)
    """Numbers of trained blocks; those beyond the model's depth, or the guide's, are left out."""
    guide_form: tuple[Literal["update", "gradient"], ...] = ("update", "gradient")
    guide_temperature: tuple[float, float] = (0.25, 4.0)
    """Range, sampled evenly in its logarithm; searched, like the form, where the arm has a guide."""
    epochs: tuple[int, int] = (10, 100)
    """Range; a trial is judged at its last epoch, and ASHA stops poor ones before it."""
    cohort_centring: tuple[bool, ...] = (True, False)
    grace_epochs: int = Field(5, ge=1)
    """ASHA stops no trial before so many epochs."""
    reduction_factor: int = Field(3, ge=2)
    """ASHA keeps one in so many."""
    activations_mb: int = Field(4096, ge=0)
    """Disk for the frozen prefix's activations that trials share; what does not fit is recomputed."""
    seed: int = 0

    @model_validator(mode="after")
    def _something_to_search(self) -> "TuneConfig":
        for name in ("learning_rate", "guide_temperature", "epochs"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"tune.{name} must be two numbers above 0, the lower one first")
        for name in ("head", "trained_blocks", "guide_form", "cohort_centring"):
            if not getattr(self, name):
                raise ValueError(f"tune.{name} must name at least one choice")
        return self
