from dataclasses import replace

import numpy as np
import pytest
import torch

from rnalearner.config import ScoutingConfig
from rnalearner.errors import RnalearnerError
from rnalearner.model.heads import seeded_classifier
from rnalearner.scouts.train import run_episode

CONFIG = ScoutingConfig(learning_rate=0.01, max_epochs=30, batch_size=8, min_samples=8)


@pytest.fixture
def episode(make_encoder, tokens_ng, contrast):
    """Run one, and return (result, deltas, progress, encoder)."""

    def run(config=CONFIG, tokens_ng=tokens_ng, encoder=None, contrast=contrast):
        encoder = encoder or make_encoder()
        head = seeded_classifier(encoder.gene_vectors_gd, config.head, config.head_seed)
        deltas, progress = [], []
        result = run_episode(
            encoder,
            head,
            3,
            contrast,
            lambda rows: tokens_ng[rows],
            config,
            "base",
            deltas.append,
            progress.append,
            attempt=2,
        )
        return result, deltas, progress, encoder

    return run


def test_a_scout_learns_groups_that_differ_and_stops_once_converged(episode):
    result, deltas, progress, _ = episode()
    assert result.accuracy == 1
    assert result.converged
    assert 2 <= result.epochs < CONFIG.max_epochs
    assert (result.n_train, result.n_held) == (32, 8)
    assert result.steps == 4 * result.epochs
    assert [p.epoch for p in progress] == list(range(1, result.epochs + 1))
    assert (progress[-1].accuracy, progress[-1].loss) == (result.accuracy, result.loss)
    assert {p.status for p in progress} == {"RUNNING"}
    assert len(deltas) == result.epochs


def test_groups_that_do_not_differ_are_tried_to_the_last_epoch(episode, tokens_ng):
    noise_ng = np.random.default_rng(0).permuted(tokens_ng, axis=0)
    config = CONFIG.model_copy(update={"max_epochs": 4})
    result, _, _, _ = episode(config, noise_ng)
    assert not result.converged
    assert result.epochs == 4


def test_genes_that_chose_the_groups_are_hidden_from_the_scout(episode, contrast):
    """The first six genes alone tell the groups apart: who may not see them learns nothing."""
    first_six_g = np.arange(12) < 6
    config = CONFIG.model_copy(update={"max_epochs": 12})
    told, *_ = episode(config, contrast=replace(contrast, learns_g=first_six_g))
    untold, *_ = episode(config, contrast=replace(contrast, learns_g=~first_six_g))
    assert told.converged
    assert told.accuracy == 1
    assert not untold.converged
    assert untold.accuracy <= 0.75


def test_a_contrast_that_no_gene_chose_hides_nothing(episode, contrast):
    all_g = np.ones(12, bool)
    assert episode(contrast=replace(contrast, learns_g=all_g))[0] == episode()[0]


def test_deltas_are_numbered_and_measured_from_the_base(episode, make_encoder):
    result, deltas, _, encoder = episode()
    base = dict(make_encoder().named_parameters())
    assert [d.order for d in deltas] == [(2, seq) for seq in range(1, result.epochs + 1)]
    assert [d.step for d in deltas] == [4 * seq for seq in range(1, result.epochs + 1)]
    assert {(d.scout_id, d.n_samples, d.base_checkpoint) for d in deltas} == {(3, 32, "base")}
    now = dict(encoder.named_parameters())
    for name, delta in deltas[-1].deltas.items():
        np.testing.assert_array_equal(delta, (now[name] - base[name]).detach().numpy())
    all_values = np.concatenate([d.ravel() for d in deltas[-1].deltas.values()]).astype(float)
    assert result.moved == pytest.approx(np.sqrt((all_values**2).mean()))
    assert result.moved > 0


def test_only_the_last_block_and_the_final_norm_move(episode, make_encoder):
    _, deltas, _, encoder = episode()
    fresh = make_encoder()
    before = dict(fresh.named_parameters()) | dict(fresh.named_buffers())
    trained = encoder.trained_parameters(CONFIG.trained_blocks)
    assert deltas[-1].deltas.keys() == trained.keys()
    for name, value in [*encoder.named_parameters(), *encoder.named_buffers()]:
        assert torch.equal(value, before[name]) == (name not in trained), name


def test_recomputed_activations_train_as_kept_ones_do(episode):
    kept, _, _, _ = episode()
    recomputed, _, _, _ = episode(CONFIG.model_copy(update={"prefix_cache_mb": 0}))
    assert recomputed == kept


def test_an_encoder_that_trains_whole_moves_every_parameter(episode):
    config = CONFIG.model_copy(update={"trained_blocks": 0, "max_epochs": 2})
    _, deltas, _, encoder = episode(config)
    assert deltas[-1].deltas.keys() == dict(encoder.named_parameters()).keys()
    assert np.abs(deltas[-1].deltas["bin_embedding.weight"]).max() > 0


def test_an_episode_is_repeatable(episode):
    first, second = episode()[0], episode()[0]
    assert first == second


def test_a_large_group_does_not_flatter_the_accuracy(tokens_ng, contrast, make_encoder):
    """A scout that calls every sample 0 is right for one group of two, however large that one is."""
    config = CONFIG.model_copy(update={"max_epochs": 1, "learning_rate": 1e-12})
    lopsided = replace(contrast, rows_a=np.arange(35), rows_b=np.arange(35, 40))
    encoder = make_encoder()
    head = seeded_classifier(encoder.gene_vectors_gd, config.head, 0)
    with torch.no_grad():
        head.layers[-1].weight.zero_()
        head.layers[-1].bias.copy_(torch.tensor([1.0, -1.0]))
    read = tokens_ng.__getitem__
    result = run_episode(encoder, head, 0, lopsided, read, config, "", lambda d: None, lambda p: None)
    assert result.accuracy == 0.5


def test_a_scout_whose_loss_is_not_a_number_says_so(episode, make_encoder):
    encoder = make_encoder()
    with torch.no_grad():
        encoder.norm.bias.fill_(float("nan"))
    with pytest.raises(RnalearnerError, match="scout 3: its held-out loss is nan after epoch 1"):
        episode(encoder=encoder)
