"""The direction of the hidden state that tells a gene's expression, learned from the corpus without a label.

Fitted to one small study it reads that study's quirks: over the tuning tasks of the benchmark the corpus'
direction was worth .03 to .05 of AUROC. Shapes: n samples, g genes, l = g + 1 positions, d width.
"""

import numpy as np
import torch
from torch import Tensor

from rnalearner.checkpoint import load_meta
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout
from rnalearner.model.build import load_encoder, save_encoder
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.inputs import stored_inputs
from rnalearner.model.prefix import autocast
from rnalearner.preprocessing.normalize import log2p1_cpm
from rnalearner.shards.read import ShardStore

A_STUDY = 6
"""Samples of a study that are looked at, at most."""
STUDIES = 50
"""Studies that are looked at, at most."""


class ReadoutFit:
    """Least squares of centred expression on centred hidden states, cohort by cohort."""

    def __init__(self, dim: int) -> None:
        self.square_dd = torch.zeros(dim, dim, dtype=torch.double)
        self.told_d = torch.zeros(dim, dtype=torch.double)

    def add(self, hidden_ngd: Tensor, x_ng: Tensor) -> None:
        """One cohort, all of its genes measured."""
        states_md = (hidden_ngd - hidden_ngd.mean(0)).flatten(0, 1).float().cpu()
        x_ng = x_ng.float().cpu()
        told_m = (x_ng - x_ng.mean(0)).flatten()
        self.square_dd += (states_md.T @ states_md).double()
        self.told_d += (states_md.T @ told_m).double()

    def direction(self) -> Tensor:
        """Float32 d; a touch of ridge keeps directions that hardly vary out of it."""
        ridge = 1e-4 * self.square_dd.diagonal().mean().clamp_min(1e-12)
        return torch.linalg.solve(self.square_dd + ridge * torch.eye(len(self.told_d)), self.told_d).float()


@torch.no_grad()
def corpus_readout(
    encoder: ExpressionEncoder, store: ShardStore, rows_n: np.ndarray, rng: np.random.Generator
) -> Tensor:
    """The direction d of an encoder, over a few samples of each study among the corpus' rows."""
    studies_n = store.obs["study"].to_numpy()[rows_n]
    studies = np.unique(studies_n)
    chosen = rng.choice(studies, STUDIES, replace=False) if len(studies) > STUDIES else studies
    fit, device = ReadoutFit(encoder.config.dim), encoder.gene_vectors_gd.device
    for study in sorted(chosen):
        rows = rows_n[studies_n == study]
        if len(rows) < 2:
            continue
        rows = np.sort(rng.permutation(rows)[:A_STUDY])
        x_ng = torch.from_numpy(log2p1_cpm(*store.counts(rows)))
        inputs_ng = torch.from_numpy(stored_inputs(store, rows, encoder.config))
        measured_g = ~x_ng.isnan().any(0)
        with autocast(device):  # one at a time: a core's cache holds no more
            hidden_nld = torch.cat([encoder(row_1g) for row_1g in inputs_ng.to(device).split(1)]).float()
        fit.add(hidden_nld[:, :-1][:, measured_g.to(device)], x_ng[:, measured_g])
    return fit.direction()


READOUT = "readout"
"""Where a base checkpoint's meta holds the direction."""


def store_readout(layout: RunLayout, config: RunConfig, store: ShardStore, rows_n: np.ndarray) -> None:
    """Learn the pretrained encoder's direction from the corpus' rows, and keep it with the checkpoint."""
    encoder, meta = load_encoder(layout.base_checkpoint, config.model, store.preprocessing, store.gene_set)
    encoder.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    direction_d = corpus_readout(encoder, store, rows_n, np.random.default_rng(config.pretrain.seed))
    save_encoder(layout.base_checkpoint, encoder, meta | {READOUT: direction_d.tolist()})


def stored_readout(layout: RunLayout) -> Tensor | None:
    """The pretrained encoder's direction d; None where its checkpoint is from before there was one."""
    direction_d = load_meta(layout.base_checkpoint).get(READOUT)
    return None if direction_d is None else torch.tensor(direction_d)
