"""One fine-tuning run: an encoder, a new head, twelve samples.

Shapes: n samples, g genes, c classes.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import FinetuneConfig
from rnalearner.errors import CheckpointError, LabelError
from rnalearner.finetune.model import FewShotModel, probabilities
from rnalearner.guide.apply import GuidedStep, tempered
from rnalearner.guide.scaling import Guide
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import seeded_classifier
from rnalearner.model.prefix import FrozenPrefix
from rnalearner.pretrain.schedule import learning_rate

Watch = Callable[[int, Mapping[str, tuple[float, float]]], None]
"""Told the epoch and, by split, (loss, accuracy)."""


@dataclass(frozen=True)
class LabelledTokens:
    """A dataset as the model takes it: tokens n x g (uint8), y n (class numbers)."""

    tokens_ng: Tensor
    y_n: Tensor


@dataclass
class FinetuneResult:
    """What one run leaves behind."""

    model: FewShotModel
    """As it was at the scored epoch."""
    epoch_scored: int
    curves: list[dict[str, float | int | str]] = field(default_factory=list)
    """epoch, split, loss, accuracy."""
    probability: dict[str, np.ndarray] = field(default_factory=dict)
    """Split -> probability of every class for each sample, n x c, at the scored epoch."""


def finetune(
    encoder: ExpressionEncoder,
    data: Mapping[str, LabelledTokens],
    config: FinetuneConfig,
    seed: int,
    *,
    n_classes: int = 2,
    guide: Guide | None = None,
    device: torch.device | None = None,
    prefixes: Mapping[str, FrozenPrefix] | None = None,
    watch: Watch | None = None,
) -> FinetuneResult:
    """Train on data["train"], watch data["validation"] if there is one, score every split at the end.

    The encoder passed in is not changed. `seed` chooses the head and the order of the samples.
    `prefixes`: activations of these splits that were made before, of an encoder with the same frozen
    blocks. `watch` hears of each point of the curves, and may raise to end the run. Raises LabelError
    where the validation set is to select the epoch and there is none.
    """
    if config.select == "validation" and "validation" not in data:
        what = "is `validation`, and the task declares no validation study"
        raise LabelError("finetune.select", what, "declare one, or select the `last` epoch")
    device = device or torch.device("cpu")
    head = seeded_classifier(encoder.gene_vectors_gd, config.head, seed, n_classes)
    model = FewShotModel(deepcopy(encoder), head, config).to(device)
    model.eval()  # no dropout in so short a training
    samples = _samples(model, data, config, prefixes or {})
    every = {split: torch.arange(len(d.y_n)) for split, d in data.items()}
    y_n = {split: d.y_n.to(device) for split, d in data.items()}
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), config.learning_rate, weight_decay=config.weight_decay)
    guides = _guided(model, guide, config.guide_temperature)
    step = GuidedStep(optimizer, guides, form=config.guide_form)
    generator = torch.Generator().manual_seed(seed)
    model.calibrate(samples["train"][every["train"]])
    result = FinetuneResult(model, config.epochs)
    watched = [split for split in ("train", "validation") if split in data]
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
            scores = {s: _score(model, samples[s][every[s]], y_n[s])[:2] for s in watched}
            for split, (loss_value, accuracy) in scores.items():
                result.curves.append(
                    {"epoch": epoch, "split": split, "loss": loss_value, "accuracy": accuracy}
                )
            if watch is not None:
                watch(epoch, scores)
            if config.select == "validation" and scores["validation"][0] < best_loss:
                best_loss, result.epoch_scored = scores["validation"][0], epoch
                best = {n: p.detach().clone() for n, p in parameters.items()}
    if best is not None:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(best[name])
    result.probability = {s: _score(model, samples[s][every[s]], y_n[s])[2] for s in data}
    model.remember(samples["train"][every["train"]])
    return result


def _samples(
    model: FewShotModel,
    data: Mapping[str, LabelledTokens],
    config: FinetuneConfig,
    made: Mapping[str, FrozenPrefix],
) -> dict[str, FrozenPrefix]:
    """Each split below the first trained block: as it was `made` before, or made now."""
    if any(prefix.first != model.first or model.first == 0 for prefix in made.values()):
        raise ValueError(f"the first trained block is {model.first}: these activations end elsewhere")
    cache_mb = config.prefix_cache_mb // len(data)
    return {
        split: made[split]
        if split in made
        else FrozenPrefix(model.encoder, d.tokens_ng, model.first, cache_mb)
        for split, d in data.items()
    }


def _guided(model: FewShotModel, guide: Guide | None, temperature: float) -> dict[nn.Parameter, Tensor]:
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
    return {p: tempered(guide.values[name].to(p.device), temperature) for name, p in trained.items()}


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
    """Loss, accuracy, and each sample's probability of every class, n x c."""
    logits_nc = model(samples)
    loss = nn.functional.cross_entropy(logits_nc, y_n).item()
    accuracy = (logits_nc.argmax(1) == y_n).float().mean().item()
    return loss, accuracy, probabilities(logits_nc)
