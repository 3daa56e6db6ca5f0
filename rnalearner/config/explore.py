"""Groups of samples, and pictures of them."""

from pydantic import Field

from rnalearner.config.section import Section


class ClusteringConfig(Section):
    """PCA and k-means over bulk samples."""

    n_components: int = Field(40, ge=2)
    """Principal components that k-means sees (fewer where there are fewer samples)."""
    k_list: tuple[int, ...] = (5, 10, 15, 20, 30, 40)
    """Numbers of sample clusters to try and to draw."""
    k: int = Field(30, ge=2)
    """The one that goes into obs["sample_cluster"]."""
    seed: int = 0


class FigureConfig(Section):
    """Exploration pictures."""

    n_components: int = Field(10, ge=2)
    """Components in a pair plot."""
    sample_share: float = Field(0.1, gt=0, le=1)
    """Share of the samples in a pair plot (at least 200 where there are as many)."""
    umap: bool = True
    """Draw sample clusters on a UMAP."""
