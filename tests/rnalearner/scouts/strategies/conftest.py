"""A strategy's contrasts over toy samples, and what it left out."""

from collections.abc import Callable

import numpy as np
import pytest

from rnalearner.config import ScoutingConfig
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies import contrasts

Planned = tuple[list[Contrast], list[str]]
Plan = Callable[..., Planned]


@pytest.fixture
def plan() -> Plan:
    def run(strategy: str, samples: ScoutedSamples, n: int = 5, seed: int = 0, **options: object) -> Planned:
        config = ScoutingConfig.model_validate({"strategy": strategy, "min_samples": 6} | options)
        made = list(contrasts(samples, config, n, np.random.default_rng(seed)))
        told = [item.sentence for item in made if isinstance(item, LeftOut)]
        return [item for item in made if isinstance(item, Contrast)], told

    return run
