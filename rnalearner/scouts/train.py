"""One scouting episode: a copy of the pretrained encoder learns to tell two groups apart.

Shapes: n samples, g genes, l = g + 1 positions, d model width, f features of the head, c classes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import ScoutingConfig
from rnalearner.errors import RnalearnerError
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import SampleClassifier
from rnalearner.scouts.delta import WeightDelta, moved, rms, snapshot
from rnalearner.scouts.task import ScoutTask, split_task

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
    task: ScoutTask,
    read_tokens: Callable[[np.ndarray], np.ndarray],
    config: ScoutingConfig,
    base_checkpoint: str,
    on_delta: Callable[[WeightDelta], None],
    on_progress: Callable[[ScoutProgress], None],
    attempt: int = 0,
    device: torch.device | None = None,
) -> EpisodeResult:
    """Train `encoder` and `head`, in place, on `task`; a numbered delta from the base each epoch.

    Adam on the last blocks, the final norm and the head. Stops when held-out accuracy has reached
    `converged_accuracy` and held-out loss no longer falls, or after `max_epochs`. `read_tokens`:
    rows to bins n x g, as ShardStore.tokens. Everything random follows from config.seed and the
    scout's number. Raises RnalearnerError where the loss is not a number.
    """
    device = device or torch.device("cpu")
    seeds = np.random.SeedSequence([config.seed, task.scout_id])
    rows, y_n, held_rows, held_y = split_task(task, config.validation_share, np.random.default_rng(seeds))
    encoder, head = encoder.to(device).eval(), head.to(device)  # eval: no dropout in so short a training
    trained = encoder.trained_parameters(config.trained_blocks)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(name in trained)
    base = snapshot(trained)
    first = encoder.first_trained_block(config.trained_blocks)
    train = _Samples(encoder, read_tokens(rows), y_n, first, config, device)
    held = _Samples(encoder, read_tokens(held_rows), held_y, first, config, device)
    model = _Scout(encoder, head, train, config.batch_size)
    optimizer = torch.optim.Adam([*trained.values(), *head.parameters()], lr=config.learning_rate)
    generator = torch.Generator().manual_seed(int(seeds.generate_state(1)[0]))

    step, lowest, converged, epoch = 0, float("inf"), False, 0
    accuracy, loss, deltas = 0.0, float("inf"), moved(base, trained)
    while epoch < config.max_epochs and not converged:
        epoch += 1
        for batch in torch.randperm(len(rows), generator=generator).split(config.batch_size):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(train, batch), train.y_n[batch]).backward()
            optimizer.step()
            step += 1
        accuracy, loss = model.score(held)
        if not np.isfinite(loss):
            what = f"its held-out loss is {loss} after epoch {epoch}"
            raise RnalearnerError(f"scout {task.scout_id}", what, "lower scouting.learning_rate")
        deltas = moved(base, trained)
        on_delta(WeightDelta(task.scout_id, attempt, epoch, step, len(rows), base_checkpoint, deltas))
        converged = accuracy >= config.converged_accuracy and loss > lowest - STILL_FALLING
        lowest = min(lowest, loss)
        on_progress(
            ScoutProgress(task.scout_id, task.name, epoch, config.max_epochs, accuracy, loss, "RUNNING")
        )
    return EpisodeResult(
        task.scout_id,
        task.name,
        len(rows),
        len(held_rows),
        epoch,
        step,
        accuracy,
        loss,
        converged,
        rms(deltas),
    )


class _Samples:
    """Samples at the first trained block: kept where they fit, else recomputed for each batch."""

    def __init__(
        self,
        encoder: ExpressionEncoder,
        tokens_ng: np.ndarray,
        y_n: np.ndarray,
        first: int,
        config: ScoutingConfig,
        device: torch.device,
    ) -> None:
        self.encoder, self.first, self.device = encoder, first, device
        self.tokens_ng = torch.from_numpy(np.ascontiguousarray(tokens_ng))
        self.y_n = torch.from_numpy(y_n).to(device)
        size_bytes = 4 * tokens_ng.shape[0] * (tokens_ng.shape[1] + 1) * encoder.config.dim
        self.kept_nld: Tensor | None = None
        # Side by side with the other part of the task, and never more than half for either.
        if first > 0 and size_bytes <= config.prefix_cache_mb * 2**20 / 2:
            parts = torch.arange(len(y_n)).split(config.batch_size)
            self.kept_nld = torch.cat([self._below(self.tokens_ng[part].to(device)) for part in parts])

    def __getitem__(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states n x l x d below the first trained block, and which positions are measured."""
        tokens_ng = self.tokens_ng[batch].to(self.device)
        hidden_nld = self._below(tokens_ng) if self.kept_nld is None else self.kept_nld[batch.to(self.device)]
        return hidden_nld, self.encoder.measured(tokens_ng)

    def batches(self, size: int) -> Iterator[Tensor]:
        yield from torch.arange(len(self.y_n)).split(size)

    def _below(self, tokens_ng: Tensor) -> Tensor:
        # With a frozen part below, no gradient is needed; without one this is only the embedding.
        with torch.set_grad_enabled(self.first == 0 and torch.is_grad_enabled()), _autocast(self.device):
            return self.encoder.prefix(tokens_ng, self.first)


class _Scout:
    """The encoder's trained part and the head, over features of one size for every scout.

    Samples differ little beside what they share, so features are centred by the mean of the training
    samples and divided by their spread, both taken once, before training: then one learning rate
    means the same in every task.
    """

    def __init__(
        self, encoder: ExpressionEncoder, head: SampleClassifier, train: _Samples, batch_size: int
    ) -> None:
        self.encoder, self.head, self.batch_size = encoder, head, batch_size
        with torch.no_grad():
            features_nf = torch.cat([self.features(train, batch) for batch in train.batches(batch_size)])
        self.centre_f = features_nf.mean(0)
        self.unit = (features_nf - self.centre_f).square().mean().sqrt().clamp_min(1e-6)

    def features(self, samples: _Samples, batch: Tensor) -> Tensor:
        """n x f, float32."""
        hidden_nld, measured_nl = samples[batch]
        with _autocast(samples.device):
            hidden_nld = self.encoder.suffix(hidden_nld, measured_nl, samples.first)
        return self.head.features(hidden_nld.float(), measured_nl)

    def __call__(self, samples: _Samples, batch: Tensor) -> Tensor:
        """Logits n x c."""
        return self.head.layers((self.features(samples, batch) - self.centre_f) / self.unit)

    @torch.no_grad()
    def score(self, samples: _Samples) -> tuple[float, float]:
        """Accuracy, mean over the groups, and cross entropy."""
        logits_nc = torch.cat([self(samples, batch) for batch in samples.batches(self.batch_size)])
        right_n = (logits_nc.argmax(1) == samples.y_n).double()
        accuracy = np.mean([right_n[samples.y_n == group].mean().item() for group in (0, 1)])
        return float(accuracy), nn.functional.cross_entropy(logits_nc, samples.y_n).item()


def _autocast(device: torch.device) -> torch.autocast:
    """bf16 on GPUs, float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
