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
from rnalearner.guide.apply import GuidedStep
from rnalearner.guide.scaling import Guide
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import SampleClassifier, seeded_classifier
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

    def __init__(self, encoder: ExpressionEncoder, head: SampleClassifier, config: FinetuneConfig) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.centring = config.cohort_centring
        self.first = encoder.first_trained_block(config.trained_blocks)
        self.register_buffer("unit", torch.ones(()))
        trained = encoder.trained_parameters(config.trained_blocks)
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(name in trained)

    def below(self, tokens_ng: Tensor) -> Tensor:
        """The hidden state under the first trained block: constant when there is a frozen part."""
        return self.encoder.prefix(tokens_ng, self.first)

    def features(self, hidden_nld: Tensor, tokens_ng: Tensor) -> Tensor:
        """The head's features n x f; centred by the batch's own mean where cohorts are centred."""
        measured_nl = self.encoder.measured(tokens_ng)
        features_nf = self.head.features(
            self.encoder.suffix(hidden_nld, measured_nl, self.first), measured_nl
        )
        return features_nf - features_nf.mean(0) if self.centring else features_nf

    def forward(self, hidden_nld: Tensor, tokens_ng: Tensor) -> Tensor:
        """Logits n x 2."""
        return self.head.layers(self.features(hidden_nld, tokens_ng) / self.unit)

    @torch.no_grad()
    def calibrate(self, hidden_nld: Tensor, tokens_ng: Tensor) -> None:
        """Set the features' unit to their spread over the training samples before training.

        Differences between samples are small beside a position's width; with one unit for every
        arm the same learning rate means the same to each.
        """
        features_nf = self.features(hidden_nld, tokens_ng)
        self.unit = (features_nf - features_nf.mean(0)).square().mean().sqrt().clamp_min(1e-6)


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
    model = FewShotModel(deepcopy(encoder), head, config).to(device).train()
    data = {s: LabelledTokens(d.tokens_ng.to(device), d.y_n.to(device)) for s, d in data.items()}
    below = _Below(model, data, config.prefix_cache_mb)
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), config.learning_rate, weight_decay=config.weight_decay)
    step = GuidedStep(optimizer, _guided(model, guide), form=config.guide_form)
    train, generator = data["train"], torch.Generator().manual_seed(seed)
    model.calibrate(below("train"), train.tokens_ng)
    result = FinetuneResult(config.epochs)
    best_loss, best = float("inf"), None
    for epoch in range(1, config.epochs + 1):
        for rows in _batches(len(train.y_n), config.batch_size, generator):
            rate = learning_rate(
                epoch - 1,
                config.learning_rate,
                first_period=config.restart_epochs,
                period_mult=config.restart_mult,
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            with _autocast(device):
                logits_nc = model(below("train", rows), train.tokens_ng[rows])
            loss = nn.functional.cross_entropy(logits_nc.float(), train.y_n[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(list(parameters.values()), config.clip_norm)
            step()
        if epoch % config.evaluate_every == 0 or epoch in (1, config.epochs):
            scores = {s: _score(model, below(s), data[s]) for s in ("train", "validation")}
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
    result.probability = {s: _score(model, below(s), d)[2] for s, d in data.items()}
    return result


class _Below:
    """Hidden states under the first trained block: kept where nothing below trains and they fit."""

    def __init__(self, model: FewShotModel, data: dict[str, LabelledTokens], cache_mb: int) -> None:
        self.model, self.data, self.frozen = model, data, model.first > 0
        encoder = model.encoder
        n_rows = sum(len(d.y_n) for d in data.values())
        size_bytes = 4 * n_rows * (encoder.n_genes + 1) * encoder.config.dim
        self.kept: dict[str, Tensor] = {}
        if self.frozen and size_bytes <= cache_mb * 2**20:
            self.kept = {split: self._compute(d.tokens_ng) for split, d in data.items()}

    def __call__(self, split: str, rows: Tensor | None = None) -> Tensor:
        if split in self.kept:
            return self.kept[split] if rows is None else self.kept[split][rows]
        tokens_ng = self.data[split].tokens_ng
        return self._compute(tokens_ng if rows is None else tokens_ng[rows])

    def _compute(self, tokens_ng: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen), _autocast(tokens_ng.device):
            return self.model.below(tokens_ng)


def _guided(model: FewShotModel, guide: Guide | None) -> dict[nn.Parameter, Tensor]:
    """Each trained encoder parameter with its guide; the head is new and moves freely."""
    if guide is None:
        return {}
    guide.check(model.encoder)
    return {
        parameter: guide.values[name].to(parameter.device)
        for name, parameter in model.encoder.named_parameters()
        if parameter.requires_grad and name in guide.values
    }


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    if n <= size:  # one batch holds all: its order changes nothing
        yield torch.arange(n)
        return
    order = torch.randperm(n, generator=generator)
    yield from (order[i : i + size] for i in range(0, n - 1, size))


@torch.no_grad()
def _score(model: FewShotModel, hidden_nld: Tensor, data: LabelledTokens) -> tuple[float, float, np.ndarray]:
    """Loss, accuracy, and each sample's probability of the positive group."""
    model.eval()
    with _autocast(data.y_n.device):
        logits_nc = model(hidden_nld, data.tokens_ng)
    model.train()
    logits_nc = logits_nc.float()
    loss = nn.functional.cross_entropy(logits_nc, data.y_n).item()
    accuracy = (logits_nc.argmax(1) == data.y_n).float().mean().item()
    return loss, accuracy, logits_nc.softmax(1)[:, 1].cpu().numpy()


def _autocast(device: torch.device) -> torch.autocast:
    """bf16 on GPUs, float32 elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
