"""What a recipe may say. Pydantic only: imports neither torch nor Ray."""

from rnalearner.config.data import DataConfig, SimulationConfig, TableConfig, TaskConfig
from rnalearner.config.explore import ClusteringConfig, FigureConfig
from rnalearner.config.finetune import FinetuneConfig
from rnalearner.config.model import Gene2vecConfig, ModelConfig
from rnalearner.config.preprocessing import PreprocessingConfig, ShardConfig
from rnalearner.config.pretrain import PretrainConfig
from rnalearner.config.run import RaySettings, RunConfig, load_recipe
from rnalearner.config.scouting import ScoutingConfig

__all__ = [
    "ClusteringConfig",
    "DataConfig",
    "FigureConfig",
    "FinetuneConfig",
    "Gene2vecConfig",
    "ModelConfig",
    "PreprocessingConfig",
    "PretrainConfig",
    "RaySettings",
    "RunConfig",
    "ScoutingConfig",
    "ShardConfig",
    "SimulationConfig",
    "TableConfig",
    "TaskConfig",
    "load_recipe",
]
