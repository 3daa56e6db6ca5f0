"""What a job's params name, once it is found, and what every recipe makes of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rnalearner.config import DataConfig, PreprocessingConfig, RaySettings, TableConfig
from service.recipes.models import Model
from service.schemas.datasets import DatasetReport
from service.schemas.jobs import (
    ExploreParams,
    FinetuneParams,
    LinearParams,
    PredictParams,
    PretrainParams,
    ScoutParams,
    TuneParams,
)
from service.settings import Settings

Params = (
    LinearParams | FinetuneParams | TuneParams | PredictParams | ExploreParams | PretrainParams | ScoutParams
)

PARAMS: Mapping[str, type[Params]] = {
    "linear": LinearParams,
    "finetune": FinetuneParams,
    "tune": TuneParams,
    "predict": PredictParams,
    "explore": ExploreParams,
    "pretrain": PretrainParams,
    "scout": ScoutParams,
}


@dataclass(frozen=True)
class Table:
    """A READY dataset of the job's owner, in canonical form."""

    id: str
    name: str
    path: Path
    sheet: Path | None
    report: DatasetReport

    def __str__(self) -> str:
        return f"dataset {self.id[:12]} ({self.name})"


@dataclass(frozen=True)
class Ingredients:
    """What a job's params name; whatever they do not name is absent."""

    tables: Mapping[str, Table]
    """By dataset id."""
    model: Model | None = None
    source: Path | None = None
    """Folder of the job that it builds on: tuned_by, classifier, or pretraining."""
    recipe: Path | None = None
    """The operator's recipe."""


def tables_section(studies: Mapping[str, Table], settings: Settings, allow_leak: bool = False) -> DataConfig:
    return DataConfig(
        source="tables",
        root=Path("/"),
        tables=tuple(
            TableConfig(study=study, path=table.path, sheet=table.sheet) for study, table in studies.items()
        ),
        genes=gene_table(settings),
        allow_leak=allow_leak,
    )


def preprocessing_section(studies: Mapping[str, Table]) -> PreprocessingConfig:
    """Small tables, of a few genes, keep their samples too."""
    fewest = min(table.report.n_genes for table in studies.values())
    return PreprocessingConfig(min_expressed_genes=min(200, fewest // 3))


def gene_table(settings: Settings) -> Path | None:
    return None if settings.genes is None else settings.genes.resolve()


def ray_section(settings: Settings) -> RaySettings:
    return RaySettings(num_cpus=settings.num_cpus)
