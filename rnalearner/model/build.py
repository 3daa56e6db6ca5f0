"""Encoders made new, stored, and loaded again with their genes and scale checked."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnalearner.checkpoint import check_same, load_checkpoint, save_checkpoint
from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.preprocessing.binning import BinVocabulary


def identity(config: ModelConfig, preprocessing: PreprocessingConfig, gene_set: GeneSet) -> dict[str, Any]:
    """What two checkpoints must share before weights may pass between them."""
    # Checkpoints from before there was a choice of values are of bins, and say nothing of it.
    unsaid = {"path", "values"} if config.values == "bins" else {"path"}
    return {
        "gene_set": gene_set.sha256,
        "scale": preprocessing.scale,
        "n_bins": preprocessing.n_bins,
        "model": config.model_dump(mode="json", exclude=unsaid),
    }


def new_encoder(
    config: ModelConfig, preprocessing: PreprocessingConfig, gene_vectors_gd: Tensor, seed: int
) -> ExpressionEncoder:
    """An untrained encoder whose weights and projections depend on `seed` alone."""
    vocabulary = BinVocabulary(preprocessing.n_bins)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ExpressionEncoder(config, vocabulary.size, vocabulary.pad, gene_vectors_gd)


def save_encoder(folder: Path, encoder: ExpressionEncoder, meta: dict[str, Any]) -> str:
    """Store weights, projections and gene vectors; `meta` must hold `identity`. Returns the sha256."""
    return save_checkpoint(folder, encoder.state_dict(), meta)


def load_encoder(
    folder: Path, config: ModelConfig, preprocessing: PreprocessingConfig, gene_set: GeneSet
) -> tuple[ExpressionEncoder, dict[str, Any]]:
    """An encoder and its meta; raises CheckpointError where genes, scale or model differ."""
    tensors, meta = load_checkpoint(folder)
    check_same(folder, meta, identity(config, preprocessing, gene_set))
    encoder = new_encoder(config, preprocessing, tensors["gene_vectors_gd"], seed=0)
    try:
        encoder.load_state_dict(tensors)
    except RuntimeError as error:  # a tensor too much, too few, or of another shape
        raise CheckpointError(
            folder, f"its tensors do not fit the model ({error})", "pretrain again"
        ) from None
    return encoder, meta
