"""One episode: what a scout learns, and what it tells after every round."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from rnalearner.errors import RnalearnerError
from rnalearner.model.heads import seeded_classifier
from rnalearner.scouts.distance import weights_sha256
from rnalearner.scouts.train import Scout, run_episode
from tests.toy_episode import CONFIG, changed, toy_episode


@pytest.fixture
def episode(make_encoder, tokens_ng, contrast):
    return partial(toy_episode, make_encoder=make_encoder, tokens_ng=tokens_ng, contrast=contrast)


def test_a_scout_learns_groups_that_differ_and_stops_once_converged(episode):
    found = episode()
    result, progress = found.result, found.progress
    assert result.accuracy == 1
    assert result.converged
    assert 2 <= result.epochs < CONFIG.max_epochs
    assert (result.n_train, result.n_held) == (32, 8)
    assert result.steps == 4 * result.epochs
    assert [p.round for p in progress] == list(range(1, int(result.epochs) + 1))
    assert (progress[-1].accuracy, progress[-1].loss) == (result.accuracy, result.loss)
    assert {(p.status, p.max_rounds) for p in progress} == {("RUNNING", CONFIG.max_epochs)}
    assert len(found.deltas) == result.epochs
    assert [d.result for d in found.deltas] == [None] * (len(found.deltas) - 1) + [result]


def test_groups_that_do_not_differ_are_tried_to_the_last_epoch(episode, tokens_ng):
    noise_ng = np.random.default_rng(0).permuted(tokens_ng, axis=0)
    result = episode(changed(max_epochs=4), tokens_ng=noise_ng).result
    assert not result.converged
    assert result.epochs == 4


def test_genes_that_chose_the_groups_are_hidden_from_the_scout(episode, contrast):
    """The first six genes alone tell the groups apart: who may not see them learns nothing."""
    first_six_g = np.arange(12) < 6
    config = changed(max_epochs=12)
    told = episode(config, contrast=replace(contrast, learns_g=first_six_g)).result
    untold = episode(config, contrast=replace(contrast, learns_g=~first_six_g)).result
    assert told.converged
    assert told.accuracy == 1
    assert not untold.converged
    assert untold.accuracy <= 0.75


def test_a_contrast_that_no_gene_chose_hides_nothing(episode, contrast):
    all_g = np.ones(12, bool)
    assert episode(contrast=replace(contrast, learns_g=all_g)).sent() == episode().sent()


def test_deltas_are_numbered_and_measured_from_the_base(episode, make_encoder):
    found = episode()
    deltas, base = found.deltas, dict(make_encoder().named_parameters())
    rounds = range(1, int(found.result.epochs) + 1)
    assert [d.seq for d in deltas] == list(rounds)
    assert [d.step for d in deltas] == [4 * seq for seq in rounds]
    about = {(d.run, d.scout_id, d.n_samples, d.base_checkpoint) for d in deltas}
    assert about == {("run", 3, 32, "base")}
    now = dict(found.encoder.named_parameters())
    for name, delta in deltas[-1].deltas.items():
        assert delta.dtype == np.float32
        np.testing.assert_array_equal(delta, (now[name] - base[name]).detach().numpy())
    all_values = np.concatenate([d.ravel() for d in deltas[-1].deltas.values()]).astype(float)
    assert found.result.moved == pytest.approx(np.sqrt((all_values**2).mean()))
    assert found.result.moved > 0


def test_a_delta_carries_the_hash_of_the_weights_it_is_of(episode):
    found = episode(changed(max_epochs=3))
    trained = found.encoder.trained_parameters(CONFIG.trained_blocks)
    assert found.deltas[-1].weights == weights_sha256(trained)
    assert len({d.weights for d in found.deltas}) == len(found.deltas)


def test_only_the_last_block_and_the_final_norm_move(episode, make_encoder):
    found, fresh = episode(), make_encoder()
    before = dict(fresh.named_parameters()) | dict(fresh.named_buffers())
    trained = found.encoder.trained_parameters(CONFIG.trained_blocks)
    assert found.deltas[-1].deltas.keys() == trained.keys()
    for name, value in [*found.encoder.named_parameters(), *found.encoder.named_buffers()]:
        assert torch.equal(value, before[name]) == (name not in trained), name


def test_an_encoder_that_trains_whole_moves_every_parameter(episode):
    found = episode(changed(trained_blocks=0, max_epochs=2))
    deltas = found.deltas[-1].deltas
    assert deltas.keys() == dict(found.encoder.named_parameters()).keys()
    assert np.abs(deltas["bin_embedding.weight"]).max() > 0


def test_an_episode_is_repeatable_to_the_bit(episode):
    first, second = episode(), episode()
    assert first.result == second.result
    assert first.sent() == second.sent()


def seen_in_training(encoder) -> list[np.ndarray]:
    """Tokens of every batch that gradients are taken of, where nothing is frozen and all passes."""
    batches: list[np.ndarray] = []

    def look(_, inputs):
        if torch.is_grad_enabled():
            batches.append(inputs[0].numpy().copy())

    encoder.bin_embedding.register_forward_pre_hook(look)
    return batches


@pytest.mark.parametrize(
    ("round_samples", "batch_size", "sizes"),
    [
        pytest.param(1024, 8, [[8, 8, 8, 8]], id="a round is an epoch"),
        pytest.param(25, 8, [[8, 8, 8, 8]], id="a round of begun batches"),
        pytest.param(24, 8, [[8, 8], [8, 8]], id="rounds are made even"),
        pytest.param(1, 8, [[8], [8], [8], [8]], id="a round is a batch"),
        pytest.param(16, 5, [[5, 5, 5, 5], [5, 5, 2]], id="the last batch is smaller"),
        pytest.param(10, 5, [[5, 5], [5, 5], [5, 5], [2]], id="the last round is smaller"),
        pytest.param(1, 40, [[32]], id="a batch is an epoch"),
    ],
)
def test_an_epoch_of_any_rounds_visits_every_training_sample_once(
    episode, make_encoder, tokens_ng, round_samples, batch_size, sizes
):
    encoder = make_encoder()
    batches = seen_in_training(encoder)
    config = changed(trained_blocks=0, max_epochs=3, learning_rate=1e-9, converged_accuracy=1)
    own = {"round_samples": round_samples, "batch_size": batch_size}
    found = episode(config.model_copy(update=own), encoder=encoder)
    assert [len(batch) for batch in batches] == [n for part in sizes for n in part] * 3
    assert [d.step for d in found.deltas] == list(np.cumsum([len(part) for part in sizes] * 3))
    last = found.progress[-1]
    assert (found.result.epochs, last.round, last.max_rounds) == (3, 3 * len(sizes), 3 * len(sizes))
    number = {tuple(tokens_g): row for row, tokens_g in enumerate(tokens_ng)}
    orders = [[number[tuple(tokens_g)] for tokens_g in part] for part in np.split(np.concatenate(batches), 3)]
    assert len(set(orders[0])) == len(orders[0]) == found.result.n_train
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])
    assert len({tuple(order) for order in orders}) == 3


def test_epochs_are_counted_in_parts_where_a_scout_stops_within_one(episode):
    found = episode(changed(round_samples=8, learning_rate=0.02))
    assert found.result.converged
    assert found.result.epochs == len(found.deltas) / 4
    assert found.result.epochs % 1
    assert (found.result.steps, found.progress[-1].max_rounds) == (len(found.deltas), 4 * CONFIG.max_epochs)


@pytest.mark.parametrize(
    ("most", "n_held"),
    [(512, 16), (16, 16), (10, 10), (5, 4), (2, 2)],
    ids=["more than there are", "as many", "fewer", "odd", "one a side"],
)
def test_held_out_samples_are_capped_alike_on_both_sides(episode, make_encoder, tokens_ng, most, n_held):
    """Of 20 a side 8 are held out; what is not asked does not train either."""
    asked, encoder = [], make_encoder()

    def look(_, inputs):
        if not torch.is_grad_enabled():
            asked.append(inputs[0].numpy().copy())

    encoder.bin_embedding.register_forward_pre_hook(look)
    config = changed(max_epochs=1, validation_share=0.4, validation_samples=most, trained_blocks=0)
    found = episode(config, encoder=encoder)
    assert (found.result.n_train, found.result.n_held) == (24, n_held)
    assert found.deltas[-1].n_samples == 24
    number = {tuple(tokens_g): row for row, tokens_g in enumerate(tokens_ng)}
    rows = np.array([number[tuple(tokens_g)] for tokens_g in np.concatenate(asked)])
    held = rows[24:]  # after the training samples, whose features were measured
    assert len(set(held)) == len(held) == n_held
    assert (held < 20).sum() == (held >= 20).sum()
    assert not set(held) & set(rows[:24])


def test_a_cap_on_held_out_samples_changes_nothing_that_trains(episode):
    first, second = (episode(changed(max_epochs=2, validation_samples=most)).deltas for most in (512, 2))
    assert [d.weights for d in first] == [d.weights for d in second]


def test_a_gene_that_nobody_measured_moves_no_weight_of_its_own(episode, tokens_ng, make_encoder):
    """conv: its feature is 0 in every sample, so its weights get no gradient, and Adam no moment."""
    tokens_ng = tokens_ng.copy()
    tokens_ng[:, [4, 9]] = make_encoder().pad_token
    for delta in episode(changed(head="conv", max_epochs=2), tokens_ng=tokens_ng).deltas:
        assert delta.head_g.shape == (12,)
        np.testing.assert_array_equal(delta.head_g == 0, np.isin(np.arange(12), [4, 9]))


def test_a_head_s_movement_by_gene_is_that_of_its_first_layer(episode):
    """conv: the Euclidean norm over 512 weights of now minus the seeded start, read from the state."""
    found = episode(changed(head="conv", max_epochs=3))
    head = seeded_classifier(found.encoder.gene_vectors_gd, "conv", CONFIG.head_seed)
    first = head.layers[0].weight.detach().numpy().astype(float)
    for delta, state in zip(found.deltas, found.states, strict=True):
        now = state.tensors["weight/head.layers.0.weight"].numpy().astype(float)
        np.testing.assert_allclose(delta.head_g, np.sqrt(((now - first) ** 2).sum(0))[:-1], rtol=1e-5)
        assert (delta.head_g > 0).all()


def test_genes_of_one_vector_move_a_pooled_head_alike_and_one_without_a_vector_not(episode, make_encoder):
    """gene_pool: a gene's weights are its vector times one matrix."""
    encoder = make_encoder()
    encoder.gene_vectors_gd[5] = encoder.gene_vectors_gd[2]
    encoder.gene_vectors_gd[7] = 0
    encoder.gene_vectors_gd[8] = 2 * encoder.gene_vectors_gd[2]
    head_g = episode(changed(max_epochs=2), encoder=encoder).deltas[-1].head_g
    assert head_g[5] == pytest.approx(head_g[2], rel=1e-5)
    assert head_g[2] > 0
    assert head_g[7] == 0
    assert head_g[8] == pytest.approx(2 * head_g[2], rel=1e-5)


def test_a_large_group_does_not_flatter_the_accuracy(tokens_ng, contrast, make_encoder):
    """A scout that calls every sample 0 is right for one group of two, however large that one is."""
    config = changed(max_epochs=1, learning_rate=1e-12)
    lopsided = replace(contrast, rows_a=np.arange(35), rows_b=np.arange(35, 40))
    encoder = make_encoder()
    head = seeded_classifier(encoder.gene_vectors_gd, config.head, 0)
    with torch.no_grad():
        head.layers[-1].weight.zero_()
        head.layers[-1].bias.copy_(torch.tensor([1.0, -1.0]))
    scout = Scout("run", 0, "", lopsided)
    result = run_episode(encoder, head, scout, tokens_ng.__getitem__, config, lambda delta, state: None)
    assert result.accuracy == 0.5


def test_a_scout_whose_loss_is_not_a_number_says_so(episode, make_encoder):
    encoder = make_encoder()
    with torch.no_grad():
        encoder.norm.bias.fill_(float("nan"))
    with pytest.raises(RnalearnerError, match="scout 3: its held-out loss is nan after round 1"):
        episode(encoder=encoder)
