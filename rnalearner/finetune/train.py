"""One fine-tuning run: an encoder, a new head, twelve samples.

Shapes: n samples, l positions, d width, f features of the head.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import FinetuneConfig
from rnalearner.errors import CheckpointError
from rnalearner.guide.apply import GuidedStep
from rnalearner.guide.scaling import Guide
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import SampleClassifier, feature_unit, seeded_classifier
from rnalearner.model.prefix import FrozenPrefix, autocast
from rnalearner.pretrain.schedule import learning_rate


@dataclass(frozen=True)
class LabelledTokens:
    """A dataset as the model takes it: tokens n x g (uint8), y n (0 or 1)."""

    tokens_ng: Tensor
    y_n: Tensor


@dataclass
class FinetuneResult:
    """What one run leaves behind."""

    epoch_scored: int
    curves: list[dict[str, float | int | str]] = field(default_factory=list)
    """epoch, split, loss, accuracy."""
    probability: dict[str, np.ndarray] = field(default_factory=dict)
    """Split -> probability of the positive group for each sample, at the scored epoch."""


class FewShotModel(nn.Module):
    """An encoder cut at its first trained block, with a classifier on top."""

    unit: Tensor

    def __init__(self, encoder: ExpressionEncoder, head: SampleClassifier, config: FinetuneConfig) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.centring = config.cohort_centring
        self.first = encoder.first_trained_block(config.trained_blocks)
        self.register_buffer("unit", torch.ones(()))
        encoder.train_only(config.trained_blocks)

    def features(self, hidden_nld: Tensor, measured_nl: Tensor) -> Tensor:
        """The head's features n x f; centred by the batch's own mean where cohorts are centred."""
        with autocast(hidden_nld.device):
            hidden_nld = self.encoder.suffix(hidden_nld, measured_nl, self.first)
        features_nf = self.head.features(hidden_nld.float(), measured_nl)
        return features_nf - features_nf.mean(0) if self.centring else features_nf

    def forward(self, samples: tuple[Tensor, Tensor]) -> Tensor:
        """Logits n x 2 of samples as FrozenPrefix gives them."""
        return self.head.layers(self.features(*samples) / self.unit)

    @torch.no_grad()
    def calibrate(self, samples: tuple[Tensor, Tensor]) -> None:
        """Set the features' unit by the training samples, before training."""
        self.unit = feature_unit(self.features(*samples))


def finetune(
    encoder: ExpressionEncoder,
    data: dict[str, LabelledTokens],
    config: FinetuneConfig,
    seed: int,
    guide: Guide | None = None,
    device: torch.device | None = None,
) -> FinetuneResult:
    """Train on data["train"], watch data["validation"], score every split once at the end.

    The encoder passed in is not changed. `seed` chooses the head and the order of the samples.
    """
    device = device or torch.device("cpu")
    head = seeded_classifier(encoder.gene_vectors_gd, config.head, seed)
    model = FewShotModel(deepcopy(encoder), head, config).to(device)
    model.eval()  # no dropout in so short a training
    samples = {
        split: FrozenPrefix(model.encoder, d.tokens_ng, model.first, config.prefix_cache_mb // len(data))
        for split, d in data.items()
    }
    every = {split: torch.arange(len(d.y_n)) for split, d in data.items()}
    y_n = {split: d.y_n.to(device) for split, d in data.items()}
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), config.learning_rate, weight_decay=config.weight_decay)
    step = GuidedStep(optimizer, _guided(model, guide), form=config.guide_form)
    generator = torch.Generator().manual_seed(seed)
    model.calibrate(samples["train"][every["train"]])
    result = FinetuneResult(config.epochs)
    best_loss, best = float("inf"), None
    for epoch in range(1, config.epochs + 1):
        rate = learning_rate(
            epoch - 1,
            config.learning_rate,
            first_period=config.restart_epochs,
            period_mult=config.restart_mult,
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        for rows in _batches(len(samples["train"]), config.batch_size, generator):
            loss = nn.functional.cross_entropy(model(samples["train"][rows]), y_n["train"][rows.to(device)])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(list(parameters.values()), config.clip_norm)
            step()
        if epoch % config.evaluate_every == 0 or epoch in (1, config.epochs):
            scores = {s: _score(model, samples[s][every[s]], y_n[s]) for s in ("train", "validation")}
            for split, (loss_value, accuracy, _) in scores.items():
                result.curves.append(
                    {"epoch": epoch, "split": split, "loss": loss_value, "accuracy": accuracy}
                )
            if config.select == "validation" and scores["validation"][0] < best_loss:
                best_loss, result.epoch_scored = scores["validation"][0], epoch
                best = {n: p.detach().clone() for n, p in parameters.items()}
    if best is not None:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(best[name])
    result.probability = {s: _score(model, samples[s][every[s]], y_n[s])[2] for s in data}
    return result


def _guided(model: FewShotModel, guide: Guide | None) -> dict[nn.Parameter, Tensor]:
    """Each trained encoder parameter with its guide; the head is new and moves freely."""
    if guide is None:
        return {}
    guide.check(model.encoder)
    trained = {name: p for name, p in model.encoder.named_parameters() if p.requires_grad}
    for name in sorted(trained.keys() - guide.values.keys()):
        what = f"does not know {name}, which fine-tuning trains"
        raise CheckpointError(
            "guide", what, "let finetune.trained_blocks be scouting.trained_blocks or fewer"
        )
    return {p: guide.values[name].to(p.device) for name, p in trained.items()}


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows in batches; never one sample alone, whose centred features would be nothing."""
    if n <= size:  # one batch holds all: its order changes nothing
        yield torch.arange(n)
        return
    order = torch.randperm(n, generator=generator)
    yield from (order[i : i + size] for i in range(0, n - 1, size))


@torch.no_grad()
def _score(
    model: FewShotModel, samples: tuple[Tensor, Tensor], y_n: Tensor
) -> tuple[float, float, np.ndarray]:
    """Loss, accuracy, and each sample's probability of the positive group."""
    logits_nc = model(samples)
    loss = nn.functional.cross_entropy(logits_nc, y_n).item()
    accuracy = (logits_nc.argmax(1) == y_n).float().mean().item()
    return loss, accuracy, logits_nc.softmax(1)[:, 1].cpu().numpy()
