"""What benchmarks.pretrain_speed measures: models at the paper's sizes, steps, the loop, fine-tuning."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import FinetuneConfig, ModelConfig, PreprocessingConfig, RunConfig, load_recipe
from rnalearner.finetune.train import LabelledTokens, finetune
from rnalearner.layout import RunLayout
from rnalearner.model.build import new_encoder
from rnalearner.model.favor.choice import VARIABLE
from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.loop import Rank, pretrain, samples_per_s
from rnalearner.pretrain.loss import score_means
from rnalearner.pretrain.masking import MaskedBatch
from rnalearner.pretrain.split import split_studies
from rnalearner.pretrain.start import start_of
from rnalearner.pretrain.state import Progress
from rnalearner.pretrain.step import PretrainModel, make_optimiser, new_pretrain_model, train_step
from rnalearner.pretrain.stopping import EarlyStopping
from rnalearner.shards.read import ShardStore

PAPER = ModelConfig(dim=200, depth=6, heads=10, dim_head=64, n_features=266)
CUDA = torch.device("cuda")


class Cost(NamedTuple):
    samples_per_s: float
    gib_per_sample: float
    batch: int


def flops_a_sample(model: ModelConfig, n_genes: int) -> float:
    """Operations to train one sample: three times those of the blocks' products forward."""
    inner = model.heads * model.dim_head
    linear = 4 * model.dim * inner + 2 * model.feedforward_mult * model.dim**2
    attention = 4 * model.n_features * inner
    return 3 * 2 * (linear + attention) * model.depth * (n_genes + 1)


def matrix_rate() -> float:
    """Operations a second in a product of random matrices in bf16."""
    a, b = (torch.randn(8192, 8192, device=CUDA, dtype=torch.bfloat16) for _ in range(2))
    seconds = median(timed(lambda: a @ b) for _ in range(20))
    return 2 * 8192**3 / seconds


def timed(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


class ExactAttention(nn.Module):
    """Softmax attention as torch computes it, in the place of FAVOR+."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, measured_nl: Tensor | None = None) -> Tensor:
        if measured_nl is not None:
            v = v.masked_fill(~measured_nl[:, None, :, None], 0.0)
        return nn.functional.scaled_dot_product_attention(q, k, v)


@contextmanager
def attention(kind: str) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "performer" if kind == "exact" else kind
    try:
        yield
    finally:
        os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})


def random_model(kind: str, n_genes: int, compiled: bool) -> PretrainModel:
    settings = RunConfig().pretrain.model_copy(update={"compile": compiled})
    vectors_gd = np.random.default_rng(0).standard_normal((n_genes, PAPER.dim)).astype(np.float32)
    known = np.ones((n_genes, PreprocessingConfig().n_bins))
    model = new_pretrain_model(PAPER, settings, PreprocessingConfig(), vectors_gd, known)
    if kind == "exact":
        for block in model.encoder.performer.net.layers:
            block[0].fn.fast_attention = ExactAttention()
    return model.to(CUDA)


def random_batch(n_genes: int, n: int) -> MaskedBatch:
    """Tokens of which a tenth is hidden; one in fifty genes was not measured."""
    generator = torch.Generator().manual_seed(0)
    bins = PreprocessingConfig().n_bins
    inputs_ng = torch.randint(0, bins, (n, n_genes), generator=generator).to(torch.uint8)
    inputs_ng[:, ::50] = bins + 1
    sample_m, gene_m = torch.nonzero(torch.rand(n, n_genes, generator=generator) < 0.1, as_tuple=True)
    label_m = torch.randint(1, bins, (len(sample_m),), generator=generator)
    return MaskedBatch(inputs_ng, sample_m, gene_m, label_m).to(CUDA)


def step_cost(kind: str, bf16: bool, compiled: bool, n_genes: int, n: int, steps: int = 6) -> Cost:
    """The median of some steps, after two that compile."""
    with attention(kind):
        cost = _step_cost(random_model(kind, n_genes, compiled), random_batch(n_genes, n), bf16, steps)
    torch.cuda.empty_cache()
    torch.compiler.reset()
    return cost


def _step_cost(model: PretrainModel, batch: MaskedBatch, bf16: bool, steps: int) -> Cost:
    optimiser = make_optimiser(model, 1e-4, 0.01)

    def step() -> None:
        train_step(model, optimiser, [batch], 1e-4, 1.0, bf16)

    for _ in range(2):
        step()
    torch.cuda.reset_peak_memory_stats()
    seconds = median(timed(step) for _ in range(steps))
    peak = torch.cuda.max_memory_allocated() / 2**30
    return Cost(batch.n_samples / seconds, peak / batch.n_samples, batch.n_samples)


def _start(run: Path, batch: int, steps: int) -> tuple[PretrainData, np.ndarray, RunConfig]:
    layout = RunLayout(run)
    config = load_recipe(run / "recipe.json")
    settings = config.pretrain.model_copy(
        update={
            "batch_size": batch, "max_steps": steps, "evaluate_every": steps, "num_workers": 1,
            "validation_samples": 16, "warmup_steps": 50, "learning_rate": 3e-4,
        }
    )  # fmt: skip
    config = config.model_copy(update={"pretrain": settings, "model": PAPER})
    store = ShardStore.open(layout.shards)
    bulk = np.flatnonzero(store.obs["modality"].to_numpy() == "bulk")
    rows_train, rows_valid = split_studies(store.obs, bulk, settings.validation_share, settings.seed)
    data, known, _ = start_of(store, config, rows_train, rows_valid)
    return data, known, config


def _trained(run: Path, batch: int, steps: int, bf16: bool) -> tuple[list[float], Progress]:
    """The loss of every step of the real loop, and how it went."""
    data, known, config = _start(run, batch, steps)
    settings = config.pretrain.model_copy(update={"precision": "bf16" if bf16 else "float32"})
    data = PretrainData(data.store, data.rows_train, data.rows_valid, settings, data.shuffle_groups)
    genes = len(data.store.gene_set)
    vectors_gd = np.random.default_rng(0).standard_normal((genes, PAPER.dim)).astype(np.float32)
    model = new_pretrain_model(PAPER, settings, config.preprocessing, vectors_gd, known).to(CUDA)
    optimiser = make_optimiser(model, settings.learning_rate, settings.weight_decay)
    scores: list[Tensor] = []
    torch.cuda.reset_peak_memory_stats()
    start = Progress(EarlyStopping(patience=1000))
    *_, progress = pretrain(
        model, optimiser, data, start, Rank(device=CUDA), lambda _, score_3: scores.append(score_3.clone())
    )
    return [score_means(score_3)[0] for score_3 in scores], progress


def loop_cost(run: Path, batch: int, steps: int = 40) -> tuple[Cost, int]:
    """The loop on the run's shards, and their number of genes."""
    _, progress = _trained(run, batch, steps, bf16=True)
    peak = torch.cuda.max_memory_allocated() / 2**30
    genes = len(ShardStore.open(RunLayout(run).shards).gene_set)
    return Cost(samples_per_s(progress), peak / batch, batch), genes


def curve_difference(run: Path, steps: int, batch: int = 2) -> dict[str, float]:
    """Ours in bf16 beside performer-pytorch in float32 and bf16, from one start, on the same batches."""
    ours, _ = _trained(run, batch, steps, bf16=True)
    with attention("performer"):
        exact, _ = _trained(run, batch, steps, bf16=False)
        rounded, _ = _trained(run, batch, steps, bf16=True)
    own, rival, other = (np.array(losses) for losses in (ours, exact, rounded))
    last = slice(-max(1, steps // 6), None)
    return {
        "first_loss": round(float(rival[0]), 4),
        "last_loss": round(float(rival[last].mean()), 4),
        "mean_difference": round(float(np.abs(own - rival).mean()), 5),
        "largest_difference": round(float(np.abs(own - rival).max()), 5),
        "last_difference": round(float((own - rival)[last].mean()), 5),
        "mean_difference_of_its_own_bf16": round(float(np.abs(other - rival).mean()), 5),
        "largest_difference_of_its_own_bf16": round(float(np.abs(other - rival).max()), 5),
    }


def finetuning_seconds(n_genes: int, epochs: int = 500) -> float:
    """12 samples, 12 more watched at every epoch: random tokens in two groups, a random encoder."""
    vectors_gd = torch.randn(n_genes, PAPER.dim, generator=torch.Generator().manual_seed(0))
    encoder = new_encoder(PAPER, PreprocessingConfig(), vectors_gd, seed=0).to(CUDA)
    tokens_ng = torch.randint(2, 8, (24, n_genes), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    y_n = torch.arange(24) % 2
    tokens_ng[y_n == 1, ::10] = 9
    data = {
        "train": LabelledTokens(tokens_ng[:12], y_n[:12]),
        "validation": LabelledTokens(tokens_ng[12:], y_n[12:]),
    }
    config = FinetuneConfig(epochs=epochs, restart_epochs=epochs, evaluate_every=1, batch_size=12)
    finetune(encoder, data, config.model_copy(update={"epochs": 2}), 0, device=CUDA)
    return round(timed(lambda: finetune(encoder, data, config, 0, device=CUDA)), 2)
