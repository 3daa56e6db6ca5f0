"""The direction of the hidden state that tells a gene's expression."""

from pathlib import Path

import numpy as np
import torch

from rnalearner.config import ModelConfig
from rnalearner.finetune.readout import ReadoutFit, corpus_readout
from rnalearner.model.build import new_encoder
from rnalearner.preprocessing.normalize import log2p1_cpm
from tests.toy_corpus import write_toy_corpus

MODEL = ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2)


def test_the_direction_that_made_the_expression_is_found_whatever_shifts_each_cohort():
    generator = torch.Generator().manual_seed(0)
    true_d = torch.tensor([2.0, 0.0, -1.0, 0.5])
    fit = ReadoutFit(4)
    for _ in range(3):
        hidden_ngd = torch.randn(6, 50, 4, generator=generator)
        shift_g = 10 * torch.randn(50, generator=generator)
        fit.add(hidden_ngd + shift_g[:, None], hidden_ngd @ true_d + shift_g)
    torch.testing.assert_close(fit.direction(), true_d, atol=2e-3, rtol=0)


def test_the_corpus_reads_expression_better_than_chance_off_an_untrained_encoder(tmp_path: Path):
    store = write_toy_corpus(tmp_path)
    vectors_gd = torch.randn(len(store.gene_set), 8, generator=torch.Generator().manual_seed(1))
    encoder = new_encoder(MODEL, store.preprocessing, vectors_gd, seed=0).eval()
    direction_d = corpus_readout(encoder, store, np.arange(40), np.random.default_rng(0))
    again_d = corpus_readout(encoder, store, np.arange(40), np.random.default_rng(0))
    assert torch.equal(direction_d, again_d)
    rows = np.arange(40, 48)  # a study that was not looked at
    with torch.no_grad():
        told_ng = (encoder(torch.from_numpy(store.tokens(rows)))[:, :-1] @ direction_d).numpy()
    x_ng = log2p1_cpm(*store.counts(rows))
    told_ng, x_ng = told_ng - told_ng.mean(0), x_ng - x_ng.mean(0)
    assert np.corrcoef(told_ng.ravel(), x_ng.ravel())[0, 1] > 0.5
