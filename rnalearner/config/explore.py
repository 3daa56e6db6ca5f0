"""Groups of samples, and pictures of them."""

from pathlib import Path

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
    tolerance: float = Field(1e-3, gt=0)
    """Components are good enough when no variance grew by more than this share in a pass."""
    max_passes: int = Field(8, ge=2)
    """Passes over all samples for the components, at most."""
    onto: Path | None = None
    """Folder of earlier components and centres (RUN/explore/components) that are applied as they are, so
    that samples which had sample clusters keep them; of the same genes and scale."""
    seed: int = 0


class FigureConfig(Section):
    """Exploration pictures."""

    n_components: int = Field(10, ge=2)
    """Components in a pair plot."""
    sample_share: float = Field(0.1, gt=0, le=1)
    """Share of the samples in a pair plot: at least 200 where there are as many, at most 2,500, as many of
    each study as there are."""
    umap: bool = True
    """Draw sample clusters on a UMAP."""
    umap_samples: int = Field(4000, ge=10)
    """Samples that the UMAP is made of, as many of each study as there are; the others are placed beside
    those that they resemble. Beyond 4,096 neighbours are searched by another way: a minute and 170 MB."""
