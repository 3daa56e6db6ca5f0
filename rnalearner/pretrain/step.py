"""One step of pretraining, and one validation.

Shapes: n samples, g genes, m masked positions, b bins, d model width.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config.model import ModelConfig
from rnalearner.config.preprocessing import PreprocessingConfig
from rnalearner.config.pretrain import PretrainConfig
from rnalearner.model.build import new_encoder
from rnalearner.model.embedding import picked
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import MaskedBinHead, MaskedValueHead
from rnalearner.model.values import LIMIT
from rnalearner.pretrain.baselines import log_frequencies
from rnalearner.pretrain.loss import masked_loss, masked_value_loss
from rnalearner.pretrain.masking import MaskedBatch
from rnalearner.pretrain.ranks import gradients_summed, sum_over_ranks


class PretrainModel(nn.Module):
    """The encoder and the head that reads masked bins, or masked centred values, off it."""

    def __init__(
        self, encoder: ExpressionEncoder, head: MaskedBinHead | MaskedValueHead, compiled: bool = False
    ) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        # The function, not the module, which would give every weight a second name.
        self._encode = torch.compile(encoder.body) if compiled else encoder.body

    def forward(self, batch: MaskedBatch) -> Tensor:
        """Logits m x b, or values m in units; at the masked positions only: b is small, but g is 15,000."""
        encode = self.encoder.body if self.encoder.by_kernels(batch.inputs_ng) else self._encode
        hidden_nld = encode(batch.inputs_ng)
        hidden_md = self.encoder.norm(picked(hidden_nld, batch.sample_m, batch.gene_m))
        if isinstance(self.head, MaskedBinHead):
            return self.head(hidden_md, batch.gene_m)
        units_ng = self.encoder.value_embedding.units(batch.inputs_ng)
        seen_ng = torch.isfinite(batch.inputs_ng)
        return self.head(hidden_md, units_ng, seen_ng, (batch.sample_m, batch.gene_m))

    def loss(self, predicted: Tensor, batch: MaskedBatch) -> tuple[Tensor, Tensor]:
        """The summed loss of what `forward` gave for `batch`, to be differentiated, and its score_3."""
        if isinstance(self.head, MaskedBinHead):
            return masked_loss(predicted, batch.label_m)
        embedding = self.encoder.value_embedding
        truth_m = (batch.label_m / embedding.unit_g[batch.gene_m]).clamp(-LIMIT, LIMIT)
        return masked_value_loss(predicted, truth_m)


def new_pretrain_model(
    model: ModelConfig,
    pretrain: PretrainConfig,
    preprocessing: PreprocessingConfig,
    gene_vectors_gd: np.ndarray,
    known: np.ndarray,
) -> PretrainModel:
    """An untrained model, a function of its arguments alone.

    `known` is what the training samples say before any training. Of bins, how often each gene has each,
    g x b: the untrained head is then the "gene's own histogram" predictor, and what training adds is what
    the context tells. Of centred values, the genes' units, g.
    """
    vectors_gd = torch.from_numpy(np.asarray(gene_vectors_gd, np.float32))
    encoder = new_encoder(model, preprocessing, vectors_gd, pretrain.seed)
    head: MaskedBinHead | MaskedValueHead
    with torch.random.fork_rng(devices=[]):  # it starts at zero, but torch draws for it nevertheless
        if model.values == "bins":
            head = MaskedBinHead(model.dim, preprocessing.n_bins, encoder.n_genes)
            head.set_prior(torch.from_numpy(log_frequencies(known)))
        else:
            head = MaskedValueHead(vectors_gd)
            encoder.value_embedding.set_unit(torch.from_numpy(known))
    return PretrainModel(encoder, head, pretrain.compile)


def make_optimiser(model: PretrainModel, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays the weights of linear maps only: not norms, biases, embeddings or the prior."""
    linear = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear)}
    decayed = [p for p in model.parameters() if id(p) in linear]
    free = [p for p in model.parameters() if id(p) not in linear]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    # One kernel for all parameters on a GPU; torch's own choice elsewhere.
    fused = True if decayed[0].is_cuda else None
    return torch.optim.AdamW(groups, lr=learning_rate, fused=fused)


def train_step(
    model: PretrainModel,
    optimiser: torch.optim.Optimizer,
    micro_batches: Sequence[MaskedBatch],
    learning_rate: float,
    clip_norm: float,
    bf16: bool = False,
    dropout_seed: int = 0,
) -> Tensor:
    """Update `model` by the mean loss over all masked positions of all micro-batches and workers.

    Returns the score_3 of the step, summed over workers, still on the device. `dropout_seed` should
    differ between steps and workers.
    """
    device = next(model.parameters()).device
    model.train()
    optimiser.zero_grad(set_to_none=True)
    score_3 = torch.zeros(3, dtype=torch.float64, device=device)
    trained = [p for p in model.parameters() if p.requires_grad]
    with _seeded_dropout(model, dropout_seed, device):
        for number, batch in enumerate(micro_batches, 1):
            with _precision(device, bf16):
                predicted = model(batch)
            loss_sum, batch_score_3 = model.loss(predicted, batch)
            score_3 += batch_score_3
            last = number == len(micro_batches)
            with gradients_summed(trained, score_3) if last else nullcontext():
                loss_sum.backward()
    gradients = [p.grad for p in trained if p.grad is not None]
    torch._foreach_div_(gradients, score_3[2].clamp(min=1).float())
    nn.utils.clip_grad_norm_(trained, clip_norm)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    optimiser.step()
    return score_3


@torch.no_grad()
def evaluate(model: PretrainModel, batches: Iterable[MaskedBatch], bf16: bool = False) -> Tensor:
    """The score_3 of this worker's `batches`, summed over workers: every worker must call it."""
    device = next(model.parameters()).device
    model.eval()
    score_3 = torch.zeros(3, dtype=torch.float64, device=device)
    for batch in batches:
        on_device = batch.to(device)
        with _precision(device, bf16):
            predicted = model(on_device)
        score_3 += model.loss(predicted, on_device)[1]
    return sum_over_ranks(score_3)


def _precision(device: torch.device, bf16: bool) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


@contextmanager
def _seeded_dropout(model: PretrainModel, seed: int, device: torch.device) -> Iterator[None]:
    """Dropout takes no generator, so the global one is seeded for the block and restored."""
    if not model.encoder.config.dropout:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
