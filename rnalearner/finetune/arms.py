"""What each arm of fine-tuning starts from: nothing learned, gene vectors, the pretrained encoder."""

import torch
from torch import Tensor

from rnalearner.config import RunConfig
from rnalearner.finetune.gene_weights import gene_weights
from rnalearner.finetune.readout import stored_readout
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.layout import RunLayout
from rnalearner.model.build import load_encoder, new_encoder
from rnalearner.model.encoder import ExpressionEncoder, random_gene_vectors
from rnalearner.shards.read import ShardStore


def arm_encoder(
    layout: RunLayout, config: RunConfig, store: ShardStore, arm: str, seed: int
) -> ExpressionEncoder:
    """The encoder that an arm starts from; random ones differ from seed to seed.

    Raises CheckpointError where Phase I is needed and its checkpoint is missing or of another model.
    """
    if arm == "none":
        generator = torch.Generator().manual_seed(seed)
        vectors_gd = random_gene_vectors(len(store.gene_set), config.model.dim, generator)
        return new_encoder(config.model, store.preprocessing, vectors_gd, seed)
    encoder, _ = load_encoder(layout.base_checkpoint, config.model, store.preprocessing, store.gene_set)
    if arm == "vectors":
        return new_encoder(config.model, store.preprocessing, encoder.gene_vectors_gd, seed)
    return encoder


def gene_readout(
    layout: RunLayout, config: RunConfig, store: ShardStore, arm: str
) -> tuple[Tensor | None, Tensor | None]:
    """What the head that reads genes one by one is given: readout_d and gene_weight_g of `finetune`.

    The corpus' direction where Phase I came first; what the gene guide says where the arm is guided and
    the run has one. None for any other head.
    """
    if config.finetune.head != "gene_readout" or arm in ("none", "vectors"):
        return None, None
    if arm != "guided" or not layout.gene_guide.exists():
        return stored_readout(layout), None
    guide = GeneGuide.load(layout.gene_guide)
    weight_g = gene_weights(guide, store.gene_set.ids, config.finetune.gene_guide_power)
    return stored_readout(layout), weight_g
