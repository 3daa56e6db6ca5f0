"""One scouting episode on tiny samples, with all that it tells."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rnalearner.config import ScoutingConfig
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import seeded_classifier
from rnalearner.scouts.activations import SharedActivations
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.delta import EpisodeResult, ScoutProgress, WeightDelta
from rnalearner.scouts.state import EpisodeState
from rnalearner.scouts.train import Scout, run_episode

CONFIG = ScoutingConfig(learning_rate=0.01, max_epochs=30, batch_size=8, min_samples=8)


def changed(**values: object) -> ScoutingConfig:
    return CONFIG.model_copy(update=values)


@dataclass
class Episode:
    encoder: ExpressionEncoder
    """As the scout left it."""
    result: EpisodeResult
    deltas: list[WeightDelta] = field(default_factory=list)
    states: list[EpisodeState] = field(default_factory=list)
    progress: list[ScoutProgress] = field(default_factory=list)

    def sent(self) -> list[bytes]:
        """The bytes of its deltas."""
        return [delta.to_bytes() for delta in self.deltas]


def toy_episode(
    config: ScoutingConfig = CONFIG,
    *,
    make_encoder: Callable[[], ExpressionEncoder],
    tokens_ng: np.ndarray,
    contrast: Contrast,
    encoder: ExpressionEncoder | None = None,
    scout_id: int = 3,
    resume: EpisodeState | None = None,
    shared: SharedActivations | None = None,
) -> Episode:
    """Scout `scout_id` of run "run", from a new encoder unless one is given."""
    deltas: list[WeightDelta] = []
    states: list[EpisodeState] = []
    progress: list[ScoutProgress] = []
    encoder = encoder or make_encoder()

    def on_round(delta: WeightDelta, state: EpisodeState) -> None:
        deltas.append(delta)
        states.append(state)

    result = run_episode(
        encoder,
        seeded_classifier(encoder.gene_vectors_gd, config.head, config.head_seed),
        Scout("run", scout_id, "base", contrast),
        lambda rows: tokens_ng[rows],
        config,
        on_round,
        progress.append,
        resume=resume,
        shared=shared,
    )
    return Episode(encoder, result, deltas, states, progress)
