"""One scouting episode: a copy of the pretrained encoder learns to tell two groups apart.

Shapes: n samples, g genes, l = g + 1 positions, d model width, f features of the head, c classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import ScoutingConfig
from rnalearner.errors import RnalearnerError
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import SampleClassifier, feature_unit
from rnalearner.model.prefix import FrozenPrefix, autocast
from rnalearner.scouts.contrast import Contrast, held_out_split
from rnalearner.scouts.delta import WeightDelta, moved, rms, snapshot

STILL_FALLING = 0.01
"""Held-out loss (nats a sample) falls while it drops by more: a saturated scout would creep for ever."""


@dataclass(frozen=True)
class ScoutProgress:
    """Where a scout stands; `status` is one of Ray's words."""

    scout_id: int
    name: str
    epoch: int
    max_epochs: int
    accuracy: float | None
    loss: float | None
    status: Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]


@dataclass(frozen=True)
class EpisodeResult:
    """How a scout ended."""

    scout_id: int
    name: str
    n_train: int
    n_held: int
    epochs: int
    steps: int
    accuracy: float
    """Held-out: mean over the two groups of the share told right, so a large group does not flatter."""
    loss: float
    """Held-out cross entropy, nats a sample."""
    converged: bool
    moved: float
    """Root mean square over all guided parameters of now minus base."""


def run_episode(
    encoder: ExpressionEncoder,
    head: SampleClassifier,
    scout_id: int,
    contrast: Contrast,
    read_tokens: Callable[[np.ndarray], np.ndarray],
    config: ScoutingConfig,
    base_checkpoint: str,
    on_delta: Callable[[WeightDelta], None],
    on_progress: Callable[[ScoutProgress], None],
    attempt: int = 0,
    device: torch.device | None = None,
) -> EpisodeResult:
    """Train `encoder` and `head`, in place, on `contrast`; a numbered delta from the base each epoch.

    Adam on the last blocks, the final norm and the head. Stops when held-out accuracy has reached
    `converged_accuracy` and held-out loss no longer falls, or after `max_epochs`. `read_tokens`:
    rows to the encoder's inputs n x g (rnalearner.model.inputs). Genes that chose the contrast's groups
    are hidden, as if nobody had measured them. Everything random follows from config.seed and the
    scout's number. Raises RnalearnerError where the loss is not a number.
    """
    device = device or torch.device("cpu")
    seeds = np.random.SeedSequence([config.seed, scout_id])
    rng = np.random.default_rng(seeds)
    rows, y_n, held_rows, held_y_n = held_out_split(contrast, config.validation_share, rng)
    encoder, head = encoder.to(device).eval(), head.to(device)  # eval: no dropout in so short a training
    trained = encoder.train_only(config.trained_blocks)
    base = snapshot(trained)
    first = encoder.first_trained_block(config.trained_blocks)
    train, held = (
        FrozenPrefix(encoder, tokens_ng, first, config.prefix_cache_mb // 2, config.batch_size)
        for tokens_ng in (
            _visible(read_tokens(part), contrast, encoder.pad_token) for part in (rows, held_rows)
        )
    )
    train_y, held_y = torch.from_numpy(y_n).to(device), torch.from_numpy(held_y_n).to(device)
    model = _Scout(encoder, head, train, config.batch_size)
    optimizer = torch.optim.Adam([*trained.values(), *head.parameters()], lr=config.learning_rate)
    generator = torch.Generator().manual_seed(int(seeds.generate_state(1)[0]))

    step, lowest, converged, epoch = 0, float("inf"), False, 0
    accuracy, loss, deltas = 0.0, float("inf"), moved(base, trained)
    while epoch < config.max_epochs and not converged:
        epoch += 1
        for batch in torch.randperm(len(rows), generator=generator).split(config.batch_size):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(train, batch), train_y[batch.to(device)]).backward()
            optimizer.step()
            step += 1
        accuracy, loss = model.score(held, held_y)
        if not np.isfinite(loss):
            what = f"its held-out loss is {loss} after epoch {epoch}"
            raise RnalearnerError(f"scout {scout_id}", what, "lower scouting.learning_rate")
        deltas = moved(base, trained)
        on_delta(WeightDelta(scout_id, attempt, epoch, step, len(rows), base_checkpoint, deltas))
        converged = accuracy >= config.converged_accuracy and loss > lowest - STILL_FALLING
        lowest = min(lowest, loss)
        on_progress(
            ScoutProgress(scout_id, contrast.name, epoch, config.max_epochs, accuracy, loss, "RUNNING")
        )
    return EpisodeResult(
        scout_id,
        contrast.name,
        len(rows),
        len(held_rows),
        epoch,
        step,
        accuracy,
        loss,
        converged,
        rms(deltas),
    )


class _Scout:
    """The encoder's trained part and the head, over features of one size for every scout.

    Features are centred by the mean of the training samples and divided by their unit, both taken
    once, before training.
    """

    def __init__(
        self, encoder: ExpressionEncoder, head: SampleClassifier, train: FrozenPrefix, batch_size: int
    ) -> None:
        self.encoder, self.head, self.batch_size = encoder, head, batch_size
        with torch.no_grad():
            features_nf = torch.cat([self.features(train, batch) for batch in self._batches(train)])
        self.centre_f, self.unit = features_nf.mean(0), feature_unit(features_nf)

    def features(self, samples: FrozenPrefix, batch: Tensor) -> Tensor:
        """n x f, float32."""
        hidden_nld, measured_nl = samples[batch]
        with autocast(samples.device):
            hidden_nld = self.encoder.suffix(hidden_nld, measured_nl, samples.first)
        return self.head.features(hidden_nld.float(), measured_nl)

    def __call__(self, samples: FrozenPrefix, batch: Tensor) -> Tensor:
        """Logits n x c."""
        return self.head.layers((self.features(samples, batch) - self.centre_f) / self.unit)

    @torch.no_grad()
    def score(self, samples: FrozenPrefix, y_n: Tensor) -> tuple[float, float]:
        """Accuracy, mean over the groups, and cross entropy."""
        logits_nc = torch.cat([self(samples, batch) for batch in self._batches(samples)])
        right_n = (logits_nc.argmax(1) == y_n).double()
        accuracy = np.mean([right_n[y_n == group].mean().item() for group in (0, 1)])
        return float(accuracy), nn.functional.cross_entropy(logits_nc, y_n).item()

    def _batches(self, samples: FrozenPrefix) -> Sequence[Tensor]:
        return torch.arange(len(samples)).split(self.batch_size)


def _visible(tokens_ng: np.ndarray, contrast: Contrast, pad: float) -> Tensor:
    """The inputs of the genes that may learn; `pad` for those that chose the groups."""
    if contrast.learns_g is not None:
        tokens_ng = np.where(contrast.learns_g, tokens_ng, np.asarray(pad, tokens_ng.dtype))
    return torch.from_numpy(np.ascontiguousarray(tokens_ng))
