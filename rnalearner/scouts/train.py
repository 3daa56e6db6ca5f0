"""One scouting episode: a copy of the pretrained encoder learns to tell two groups apart.

Shapes: n samples, g genes, l = g + 1 positions, d model width, f features of the head, c classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import ScoutingConfig
from rnalearner.errors import RnalearnerError
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import SampleClassifier, feature_unit
from rnalearner.model.prefix import autocast
from rnalearner.scouts.activations import ScoutSamples, SharedActivations
from rnalearner.scouts.contrast import Contrast, held_out_split
from rnalearner.scouts.delta import EpisodeResult, ScoutProgress, WeightDelta, rms
from rnalearner.scouts.distance import moved, snapshot, weights_sha256
from rnalearner.scouts.state import EpisodeState, optimiser_tensors, restore_optimiser

STILL_FALLING = 0.01
"""Held-out loss (nats a sample) falls while it drops by more: a saturated scout would creep for ever."""


@dataclass(frozen=True)
class Scout:
    """Who scouts what, from where."""

    run: str
    scout_id: int
    base_checkpoint: str
    """sha256 of the base checkpoint's weights."""
    contrast: Contrast


OnRound = Callable[[WeightDelta, EpisodeState], None]


def run_episode(
    encoder: ExpressionEncoder,
    head: SampleClassifier,
    scout: Scout,
    read_tokens: Callable[[np.ndarray], np.ndarray],
    config: ScoutingConfig,
    on_round: OnRound,
    on_progress: Callable[[ScoutProgress], None] = lambda progress: None,
    resume: EpisodeState | None = None,
    device: torch.device | None = None,
    shared: SharedActivations | None = None,
) -> EpisodeResult:
    """Train `encoder` and `head`, in place, on the scout's contrast; a numbered delta after every round.

    Adam on the last blocks, the final norm and the head. A round is an epoch, or a part of one of about
    `round_samples` samples; after each the held-out samples are asked. It ends when held-out accuracy
    has reached `converged_accuracy` and held-out loss no longer falls, or after `max_epochs`.
    `read_tokens`: rows to the encoder's inputs n x g (rnalearner.model.inputs). Genes that chose the
    contrast's groups are hidden. Everything random follows from config.seed and the scout's number, so
    with `resume`, the state after some round, it goes on to the same bits (on a CPU; a GPU's sums may
    differ in their last bits). Raises RnalearnerError where the loss is not a number.
    """
    device, contrast = device or torch.device("cpu"), scout.contrast
    if resume is not None and resume.result is not None:
        return resume.result
    seeds = np.random.SeedSequence([config.seed, scout.scout_id])
    rows, y_n, held_rows, held_y_n = held_out_split(
        contrast, config.validation_share, np.random.default_rng(seeds), config.validation_samples
    )
    encoder, head = encoder.to(device).eval(), head.to(device)  # eval: no dropout in so short a training
    trained = encoder.train_only(config.trained_blocks)
    base, head_start_gk = snapshot(trained), head.weight_by_gene().clone()  # of conv it is a view
    if shared is None:
        shared = SharedActivations(config.prefix_cache_mb)
    train, held = (
        ScoutSamples(
            encoder,
            read_tokens(part),
            part,
            encoder.first_trained_block(config.trained_blocks),
            shared,
            contrast.learns_g,
        )
        for part in (rows, held_rows)
    )
    shared.begin({*train.keys, *held.keys})
    train_y, held_y = torch.from_numpy(y_n).to(device), torch.from_numpy(held_y_n).to(device)
    parameters = {f"encoder.{name}": p for name, p in trained.items()}
    parameters |= {f"head.{name}": p for name, p in head.named_parameters()}
    optimiser = torch.optim.Adam(parameters.values(), lr=config.learning_rate)
    model = _Learner(encoder, head, config.batch_size)
    step, seq, lowest = 0, 0, math.inf
    if resume is None:
        model.measure_features(train)
    else:
        step, seq, lowest = resume.step, resume.seq, resume.lowest
        _restore(resume, model, parameters, optimiser)

    schedule = _Schedule(len(rows), config, seeds)
    result: EpisodeResult | None = None
    while result is None:
        seq += 1
        for batch in schedule.batches(seq):
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(train, batch), train_y[batch.to(device)]).backward()
            optimiser.step()
            step += 1
        accuracy, loss = model.score(held, held_y)
        if not math.isfinite(loss):
            what = f"its held-out loss is {loss} after round {seq}"
            raise RnalearnerError(f"scout {scout.scout_id}", what, "lower scouting.learning_rate")
        deltas = moved(base, trained)
        converged = accuracy >= config.converged_accuracy and loss > lowest - STILL_FALLING
        lowest = min(lowest, loss)
        if converged or seq == schedule.n_rounds:
            result = EpisodeResult(
                scout_id=scout.scout_id,
                name=contrast.name,
                n_train=len(rows),
                n_held=len(held_rows),
                epochs=round(seq / schedule.rounds_an_epoch, 3),
                steps=step,
                accuracy=accuracy,
                loss=loss,
                converged=converged,
                moved=rms(deltas),
            )
        delta = WeightDelta(
            run=scout.run,
            scout_id=scout.scout_id,
            seq=seq,
            step=step,
            n_samples=len(rows),
            base_checkpoint=scout.base_checkpoint,
            weights=weights_sha256(trained),
            deltas=deltas,
            head_g=(head.weight_by_gene() - head_start_gk).norm(dim=1).float().cpu().numpy(),
            result=result,
        )
        on_round(delta, _state(seq, step, lowest, model, parameters, optimiser, result))
        on_progress(
            ScoutProgress(scout.scout_id, contrast.name, seq, schedule.n_rounds, accuracy, loss, "RUNNING")
        )
    return result


class _Schedule:
    """Which training samples come in which round."""

    def __init__(self, n: int, config: ScoutingConfig, seeds: np.random.SeedSequence) -> None:
        self.n, self.batch_size, self.entropy = n, config.batch_size, seeds
        n_batches = math.ceil(n / config.batch_size)
        a_round = max(1, math.ceil(config.round_samples / config.batch_size))
        self.rounds_an_epoch = math.ceil(n_batches / a_round)
        self.n_rounds = config.max_epochs * self.rounds_an_epoch
        self._a_round = math.ceil(n_batches / self.rounds_an_epoch)

    def batches(self, seq: int) -> Sequence[Tensor]:
        """The batches of round `seq` (1 is the first): a part of its epoch's permutation."""
        epoch, part = divmod(seq - 1, self.rounds_an_epoch)
        drawn = np.random.SeedSequence(self.entropy.entropy, spawn_key=(epoch,)).generate_state(1)[0]
        order_n = torch.randperm(self.n, generator=torch.Generator().manual_seed(int(drawn)))
        return order_n.split(self.batch_size)[part * self._a_round : (part + 1) * self._a_round]


class _Learner:
    """The encoder's trained part and the head, over features of one size for every scout.

    Features are centred by the mean of training samples and divided by their unit, both taken once,
    before training, over `MEASURED` of them at most.
    """

    MEASURED = 1024

    def __init__(self, encoder: ExpressionEncoder, head: SampleClassifier, batch_size: int) -> None:
        self.encoder, self.head, self.batch_size = encoder, head, batch_size
        self.centre_f, self.unit = torch.zeros(()), torch.ones(())

    @torch.no_grad()
    def measure_features(self, train: ScoutSamples) -> None:
        evenly = torch.linspace(0, len(train) - 1, min(len(train), self.MEASURED)).round().long()
        features_nf = torch.cat([self.features(train, batch) for batch in evenly.split(self.batch_size)])
        self.centre_f, self.unit = features_nf.mean(0), feature_unit(features_nf)

    def features(self, samples: ScoutSamples, batch: Tensor) -> Tensor:
        """n x f, float32."""
        hidden_nld, measured_nl = samples[batch]
        with autocast(samples.device):
            hidden_nld = self.encoder.suffix(hidden_nld, measured_nl, samples.first)
        return self.head.features(hidden_nld.float(), measured_nl)

    def __call__(self, samples: ScoutSamples, batch: Tensor) -> Tensor:
        """Logits n x c."""
        return self.head.layers((self.features(samples, batch) - self.centre_f) / self.unit)

    @torch.no_grad()
    def score(self, samples: ScoutSamples, y_n: Tensor) -> tuple[float, float]:
        """Accuracy, mean over the groups, and cross entropy."""
        batches = torch.arange(len(samples)).split(self.batch_size)
        logits_nc = torch.cat([self(samples, batch) for batch in batches])
        right_n = (logits_nc.argmax(1) == y_n).double()
        accuracy = np.mean([right_n[y_n == group].mean().item() for group in (0, 1)])
        return float(accuracy), nn.functional.cross_entropy(logits_nc, y_n).item()


def _state(
    seq: int,
    step: int,
    lowest: float,
    model: _Learner,
    parameters: dict[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    result: EpisodeResult | None,
) -> EpisodeState:
    tensors = {f"weight/{name}": value.detach().clone() for name, value in parameters.items()}
    tensors |= optimiser_tensors(optimiser, parameters)
    tensors |= {"features/centre_f": model.centre_f, "features/unit": model.unit}
    return EpisodeState(seq, step, lowest, tensors, result)


@torch.no_grad()
def _restore(
    state: EpisodeState,
    model: _Learner,
    parameters: dict[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(state.tensors[f"weight/{name}"])
    device = model.encoder.gene_vectors_gd.device
    model.centre_f = state.tensors["features/centre_f"].to(device)
    model.unit = state.tensors["features/unit"].to(device)
    moments = {n: v for n, v in state.tensors.items() if n.startswith(("step/", "exp_avg/", "exp_avg_sq/"))}
    restore_optimiser(optimiser, parameters, moments)
