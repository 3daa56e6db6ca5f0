"""Phase II."""

from typing import Literal

from pydantic import Field

from rnalearner.config.section import Section


class ScoutingConfig(Section):
    """Scouts and the guide they make."""

    strategy: Literal["cluster_pairs", "within_study"] = "cluster_pairs"
    """`cluster_pairs`: tell two sample clusters apart. `within_study`: contrasts inside one study."""
    n_scouts: int = Field(24, ge=1)
    """Scouts; raised where needed so that no sample cluster is left out."""
    in_flight: int = Field(2, ge=1)
    """Scouts at once."""
    max_samples: int = Field(13000, ge=8)
    """Samples of a scout's task, at most; both sides are cut alike."""
    min_samples: int = Field(8, ge=4)
    """Smaller sample clusters do not scout; the report names them."""
    validation_share: float = Field(0.2, gt=0, lt=1)
    """Share of a task's samples held out."""
    batch_size: int = Field(8, ge=1)
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
    measure: Literal["squared", "absolute"] = "squared"
    """How far a parameter moved: mean over scouts of the squared or the absolute delta."""
    scaling: Literal["per_tensor", "model_wide"] = "per_tensor"
    """Min-max scaling to [0, 1] within each tensor, or over the whole model."""
    prefix_cache_mb: int = Field(1024, ge=0)
    """Activations below the first trained block are kept up to this size a scout, else recomputed."""
    head_seed: int = 0
    """Every scout's head starts alike, so that its positions mean the same."""
    seed: int = 0
