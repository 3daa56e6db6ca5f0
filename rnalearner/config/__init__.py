"""What a recipe may say. Pydantic only: imports neither torch nor Ray."""

from rnalearner.config.data import DataConfig, SimulationConfig, TableConfig, TaskConfig
from rnalearner.config.explore import ClusteringConfig, FigureConfig
from rnalearner.config.finetune import FinetuneConfig
from rnalearner.config.linear import LinearConfig
from rnalearner.config.model import Gene2vecConfig, ModelConfig
from rnalearner.config.predict import ExportConfig, PredictConfig
from rnalearner.config.preprocessing import PreprocessingConfig, ShardConfig
from rnalearner.config.pretrain import PretrainConfig
from rnalearner.config.run import RaySettings, RunConfig, load_recipe
from rnalearner.config.scouting import ContrastConfig, GenesConfig, ScoutingConfig
from rnalearner.config.tune import TuneConfig

__all__ = [
    "ClusteringConfig",
    "ContrastConfig",
    "DataConfig",
    "ExportConfig",
    "FigureConfig",
    "FinetuneConfig",
    "Gene2vecConfig",
    "GenesConfig",
    "LinearConfig",
    "ModelConfig",
    "PredictConfig",
    "PreprocessingConfig",
    "PretrainConfig",
    "RaySettings",
    "RunConfig",
    "ScoutingConfig",
    "ShardConfig",
    "SimulationConfig",
    "TableConfig",
    "TaskConfig",
    "TuneConfig",
    "load_recipe",
]
