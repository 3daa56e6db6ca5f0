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
from rnalearner.finetune.optimizer import Rates, make_optimizer
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
    skip_nc: Tensor | None = None
    """Logits of a linear model that the encoder's are added to; None: none."""


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
    logits: dict[str, np.ndarray] = field(default_factory=dict)
    """The same before softmax, which rounds what is nearly certain to 1 and so loses its order."""


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
    readout_d: Tensor | None = None,
    gene_weight_g: Tensor | None = None,
    only: str | None = None,
) -> FinetuneResult:
    """Train on data["train"], watch data["validation"] if there is one, score every split at the end.

    The encoder passed in is not changed. `seed` chooses the head and the order of the samples.
    `prefixes`: activations of these splits that were made before, of an encoder with the same frozen
    blocks. `watch` hears of each point of the curves, and may raise to end the run. For the head
    gene_readout: `readout_d`, the direction that the corpus reads (else the training samples'), and
    `gene_weight_g`, what a gene guide says of each gene (rnalearner.finetune.gene_weights). `only`:
    the one split whose probabilities are wanted, and no curves: a benchmark trains thousands of
    models. Raises LabelError where the validation set is to select the epoch and there is none.
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
    optimizer = make_optimizer([model.encoder, model.head], config)
    rates = Rates(optimizer)
    guides = _guided(model, guide, config.guide_temperature)
    step = GuidedStep(optimizer, guides, form=config.guide_form)
    generator = torch.Generator().manual_seed(seed)
    train = samples["train"][every["train"]]
    if config.head == "gene_readout":
        if readout_d is None:
            model.start_readout(train, data["train"].tokens_ng)
        else:
            model.head.squeeze.weight.data.copy_(readout_d[None])
        if gene_weight_g is not None:
            model.head.gene_weight_g.copy_(gene_weight_g)
    model.calibrate(train)
    skip_nc = {s: None if d.skip_nc is None else d.skip_nc.to(device) for s, d in data.items()}
    if config.initial_head == "ridge":
        model.start_head(train, y_n["train"], config.head_penalty, skip_nc["train"])
    start = {p: p.detach().clone() for p in parameters.values()} if config.start_penalty else {}
    result = FinetuneResult(model, config.epochs)
    watched = [split for split in ("train", "validation") if split in data and only is None]
    best_loss, best = float("inf"), None
    for epoch in range(1, config.epochs + 1):
        rate = learning_rate(
            epoch - 1,
            config.learning_rate,
            first_period=config.restart_epochs,
            period_mult=config.restart_mult,
        )
        for rows in _batches(len(samples["train"]), config.batch_size, generator):
            # One frozen batch of all samples is read once, not in each epoch.
            once = samples["train"].frozen and len(rows) == len(samples["train"]) <= config.batch_size
            batch = train if once else samples["train"][rows]
            genes = _some_genes(model.encoder.n_genes, config.genes_per_step, generator, device)
            logits_nc = _with_skip(model(batch, genes), skip_nc["train"], rows)
            loss = nn.functional.cross_entropy(logits_nc, y_n["train"][rows.to(device)])
            for parameter, value in start.items():
                loss = loss + config.start_penalty * (parameter - value).square().sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(list(parameters.values()), config.clip_norm)
            rates(rate)
            step()
        if watched and (epoch % config.evaluate_every == 0 or epoch in (1, config.epochs)):
            scores = {s: _score(model, samples[s][every[s]], y_n[s], skip_nc[s]) for s in watched}
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
    for split in data if only is None else (only,):
        logits_nc = _logits(model, samples[split][every[split]], skip_nc[split])
        result.logits[split], result.probability[split] = logits_nc.cpu().numpy(), probabilities(logits_nc)
    if only is None:
        model.remember(train)
    return result


def _samples(
    model: FewShotModel,
    data: Mapping[str, LabelledTokens],
    config: FinetuneConfig,
    made: Mapping[str, FrozenPrefix],
) -> dict[str, FrozenPrefix]:
    """Each split below the first trained block: as it was `made` before, or made now."""
    ends = (model.first, model.attended)
    if any((prefix.first, prefix.attended) != ends or not prefix.frozen for prefix in made.values()):
        raise ValueError(f"the first trained block is {model.first}: these activations end elsewhere")
    cache_mb = config.prefix_cache_mb // len(data)
    return {
        split: made[split]
        if split in made
        else FrozenPrefix(model.encoder, d.tokens_ng, model.first, cache_mb, attended=model.attended)
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


def _some_genes(n_genes: int, size: int, generator: torch.Generator, device: torch.device) -> Tensor | None:
    """Columns of `size` genes drawn without replacement, sorted; None where all take part."""
    if size == 0 or size >= n_genes:
        return None
    return torch.randperm(n_genes, generator=generator)[:size].sort().values.to(device)


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows in batches; never one sample alone, whose centred features would be nothing."""
    if n <= size:  # one batch holds all: its order changes nothing
        yield torch.arange(n)
        return
    order = torch.randperm(n, generator=generator)
    yield from (order[i : i + size] for i in range(0, n - 1, size))


def _with_skip(logits_nc: Tensor, skip_nc: Tensor | None, rows: Tensor | None = None) -> Tensor:
    if skip_nc is None:
        return logits_nc
    return logits_nc + (skip_nc if rows is None else skip_nc[rows.to(skip_nc.device)])


@torch.no_grad()
def _logits(model: FewShotModel, samples: tuple[Tensor, Tensor], skip_nc: Tensor | None) -> Tensor:
    """Logits of every class for each sample, n x c."""
    return _with_skip(model(samples), skip_nc)


def _score(
    model: FewShotModel, samples: tuple[Tensor, Tensor], y_n: Tensor, skip_nc: Tensor | None
) -> tuple[float, float]:
    """Loss and accuracy."""
    logits_nc = _logits(model, samples, skip_nc)
    loss = nn.functional.cross_entropy(logits_nc, y_n).item()
    return loss, (logits_nc.argmax(1) == y_n).float().mean().item()
