"""The yardstick: which arms are compared on which tasks, and how often."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from rnalearner.config.section import Section
from rnalearner.errors import RecipeError

PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "k": (1, 3, 6),
        "draws": 10,
        "seeds": 3,
        # Linear arms beside every number of the encoder's; they cost a minute or two.
        "arms": ("none", "pretrained", "guided", "guided_shuffled", "lr_l1_c10", "knn_3", "guided_linear"),
    },
}


class BenchmarkConfig(Section):
    """What `rnalearner benchmark` is asked; its defaults are the whole protocol."""

    compendium: tuple[Path, ...] = Field(min_length=1)
    """Folders of `samples.csv` and `<study>.tsv.gz`; tasks may span them."""
    tasks: Path
    """Table of tasks: task, study, column, positive, negative, and perhaps family."""
    runs: Path | None = None
    """Folder of one run a fold, as `prepare` makes it; arms that learned nothing before need none."""
    arms: tuple[str, ...] = Field(("linear", "encoder"), min_length=1)
    """Names of arms; `linear` and `encoder` stand for all of a kind."""
    k: tuple[int, ...] = Field((1, 2, 3, 6), min_length=1)
    """Training samples a class."""
    draws: int = Field(30, ge=1)
    """Random draws a task and k, the same for every arm; fewer are the first of more."""
    seeds: int = Field(5, ge=1)
    """Trainings of every arm that depends on chance."""
    min_cpm: float = Field(1.0, ge=0)
    """Genes of a task: those whose mean CPM over both sides is larger; 0 keeps all."""
    permutations: tuple[str, ...] = ("lr_l1_c10", "t_signature_100")
    """Linear arms whose labels are permuted, for a p value of a 6+6 training set; of those that run."""
    allow_leak: bool = False
    """Go on, and say so in the report, where the test side was seen before the test."""
    draws_per_piece: int = Field(10, ge=1)
    """Draws that are scored, stored and resumed as one."""
    seconds: float | None = Field(None, gt=0)
    """Start no piece after so many seconds: what is left is for the next call."""

    @field_validator("k")
    @classmethod
    def _each_once_and_above_0(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value, default=1) < 1:
            raise ValueError("k counts samples: at least 1")
        return tuple(sorted(set(value)))


def benchmark_settings(given: Mapping[str, Any], preset: str | None = None) -> BenchmarkConfig:
    """What was given (None: nothing), over the preset, over the defaults.

    Raises RecipeError naming the option.
    """
    if preset is not None and preset not in PRESETS:
        raise RecipeError("--preset", f"there is no preset {preset!r}", f"use {', '.join(PRESETS)}")
    said = {name: value for name, value in given.items() if value is not None}
    try:
        return BenchmarkConfig.model_validate({**PRESETS.get(preset or "", {}), **said})
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        what = f"{first.get('input')!r} is not usable ({first['msg']})"
        raise RecipeError(option, what, "see `rnalearner benchmark --help`") from None
