"""What a finished fine-tuning says of new samples, and what a run gives away."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from rnalearner.config.finetune import Arm
from rnalearner.config.section import Section


class PredictConfig(Section):
    """A table in, predictions out."""

    run: Path | None = None
    """Folder of the run whose classifiers are asked."""
    table: Path | None = None
    """CSV, TSV, h5ad, or a folder of one-sample files."""
    sheet: Path | None = None
    """Sheet of the samples, if there is one: its columns travel along."""
    genes: Path | None = None
    """Table that turns gene symbols into Ensembl ids: columns `ensembl`, `symbol`."""
    task: str | None = None
    """Task whose classifiers are asked; without it, the run's only one."""
    method: Literal["auto", "linear", "encoder"] = "auto"
    """Who makes the call: the linear learner, an encoder, or (`auto`) the one that the yardstick found to
    be the better one for so many training samples, of those that the run has. The others stand beside."""
    arm: Arm | None = None
    """Arm of the encoder that makes its call, which asks for the encoder; without it, the last one."""
    formats: tuple[Literal["h5ad", "parquet", "csv"], ...] = ("h5ad", "parquet", "csv")
    min_confidence: float = Field(0.6, ge=0, le=1)
    """Samples whose likeliest class is less probable than this are abstained from."""
    min_coverage: float = Field(0.5, ge=0, le=1)
    """Samples in which a smaller share of the model's genes is measured are abstained from."""


class ExportConfig(Section):
    """A published model: base checkpoint, guides, genes, and a card."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9_-]+$")
    guide: bool = True
    """With the encoder's guide, which takes Phase II."""
    gene_guide: bool = True
    """With the gene guide, which takes seconds."""
    licence: str = "unknown"
    """Terms of the corpus and of what was learned from it, for the card."""
