"""A whole recipe: what a run is made of, from a TOML file and options."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from rnalearner.config.data import DataConfig, TaskConfig
from rnalearner.config.explore import ClusteringConfig, FigureConfig
from rnalearner.config.finetune import FinetuneConfig
from rnalearner.config.linear import LinearConfig
from rnalearner.config.model import Gene2vecConfig, ModelConfig
from rnalearner.config.predict import ExportConfig, PredictConfig
from rnalearner.config.preprocessing import PreprocessingConfig, ShardConfig
from rnalearner.config.pretrain import PretrainConfig
from rnalearner.config.scouting import GenesConfig, ScoutingConfig
from rnalearner.config.section import Section
from rnalearner.config.tune import TuneConfig
from rnalearner.errors import RecipeError


class RaySettings(Section):
    """Where the work runs."""

    address: str | None = None
    """Address of a running Ray cluster; without it a private one starts on this machine."""
    num_cpus: int | None = None
    """CPUs of the private cluster; without it, this machine's."""
    use_gpu: bool | None = None
    """Train on GPUs; without it, wherever there are any."""
    gpus_per_scout: float = Field(0.5, gt=0)
    """Share of a GPU that a scout, or a fine-tuning run, asks for."""
    object_store_mb: int = Field(300, ge=80)
    """Memory of the private cluster's object store, in MiB."""


class StorageSettings(Section):
    """What hosts without a common disk share."""

    url: str | None = None
    """A place of this run's own where its phases lie for other hosts: a URL that fsspec knows
    (s3://bucket/run), or a folder; without it, all hosts must see the run's folder."""

    @field_validator("url")
    @classmethod
    def _without_keys(cls, url: str | None) -> str | None:
        if url is not None and "@" in urlsplit(url).netloc:
            raise ValueError("a recipe holds no keys: give them in the environment")
        return None if url is None else url.rstrip("/")


class RunConfig(Section):
    """Every knob of a run, by phase."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9_-]+$")
    """Names the run, and its folder under runs/."""
    data: DataConfig = DataConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    shards: ShardConfig = ShardConfig()
    clustering: ClusteringConfig = ClusteringConfig()
    figures: FigureConfig = FigureConfig()
    gene2vec: Gene2vecConfig = Gene2vecConfig()
    model: ModelConfig = ModelConfig()
    pretrain: PretrainConfig = PretrainConfig()
    scouting: ScoutingConfig = ScoutingConfig()
    genes: GenesConfig = GenesConfig()
    linear: LinearConfig = LinearConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    tune: TuneConfig = TuneConfig()
    predict: PredictConfig = PredictConfig()
    export: ExportConfig = ExportConfig()
    tasks: tuple[TaskConfig, ...] = ()
    ray: RaySettings = RaySettings()
    storage: StorageSettings = StorageSettings()

    @model_validator(mode="after")
    def _k_is_drawn(self) -> "RunConfig":
        if self.clustering.k not in self.clustering.k_list:
            raise ValueError("clustering.k must be one of clustering.k_list")
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError("two tasks have the same name")
        return self


def load_recipe(path: Path | None, options: Mapping[str, Any] | None = None) -> RunConfig:
    """Parse a recipe (TOML, or a run's own recipe.json); `options` ("data.root": value) win over it.

    Raises RecipeError naming the field, its value and what is allowed.
    """
    where = str(path) if path else "options"
    values: Any = {}
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
            # JSON is what a run itself has written: its resolved recipe.
            values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except FileNotFoundError:
            raise RecipeError(where, "there is no such recipe", "give the path of a TOML file") from None
        except ValueError as error:  # both parsers' errors, and text that is not UTF-8, are ValueErrors
            raise RecipeError(where, f"cannot be parsed ({error})", "mend that line") from None
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
            raise RecipeError(where, what, "give the path of a TOML file") from None
    for dotted, value in (options or {}).items():
        *sections, field = dotted.split(".")
        table = values
        for section in sections:
            table = table.setdefault(section, {}) if isinstance(table, dict) else None
        if not isinstance(table, dict):
            what = f"{'.'.join(sections) or 'the recipe'} is no table"
            raise RecipeError(where, what, f"write it as one, with {field} in it")
        table[field] = value
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "recipe"
        given = "..." if field == "storage.url" else repr(first.get("input"))  # there may be keys in it
        what = f"{field} = {given} is not usable ({first['msg']})"
        remedy = "see `rnalearner fields` for every field, its meaning and its default"
        raise RecipeError(where, what, remedy) from None
