"""What lies below the first trained block: computed once a sample, and the same bits whoever asks."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.model.build import new_encoder
from rnalearner.scouts.activations import ScoutSamples, SharedActivations
from rnalearner.scouts.contrast import Contrast
from tests.toy_episode import changed, toy_episode

A_SAMPLE = 4 * 13 * 8
"""Bytes of a sample's hidden states: float32, 12 genes and the extra position, width 8."""
FEW = changed(max_epochs=2)


@pytest.fixture
def episode(make_encoder, tokens_ng, contrast):
    return partial(toy_episode, make_encoder=make_encoder, tokens_ng=tokens_ng, contrast=contrast)


def shared_of(n_samples: int) -> SharedActivations:
    shared = SharedActivations(0)
    shared.limit_bytes = n_samples * A_SAMPLE
    return shared


def test_a_sample_passes_the_frozen_blocks_once(episode):
    shared = SharedActivations(1)
    result = episode(FEW, shared=shared).result
    assert shared.computed == result.n_train + result.n_held == 40
    assert shared.n_bytes == 40 * A_SAMPLE


@pytest.mark.parametrize("n_kept", [0, 1, 10, 39])
def test_no_more_is_kept_than_the_budget_and_the_rest_is_computed_again(episode, n_kept):
    shared = shared_of(n_kept)
    episode(FEW, shared=shared)
    assert shared.n_bytes == n_kept * A_SAMPLE
    # Two epochs of 32 and the features' measure ask for 96, held-out samples twice for 8.
    kept_saves = shared_of(40)
    episode(FEW, shared=kept_saves)
    assert kept_saves.computed == 40 < shared.computed <= 96 + 16
    assert (shared.computed == 96 + 16) == (n_kept == 0)


def test_what_is_kept_holds_no_more_memory_than_its_own(episode):
    shared = SharedActivations(1)
    episode(FEW, shared=shared)
    for row in range(40):
        hidden_ld = shared.get((row, ""))
        assert hidden_ld.untyped_storage().nbytes() == A_SAMPLE
        assert not hidden_ld.requires_grad


def test_any_budget_gives_the_same_bytes(episode):
    kept = episode(FEW).sent()
    for n_kept in (0, 1, 17, 40):
        assert episode(FEW, shared=shared_of(n_kept)).sent() == kept


def test_scouts_with_rows_in_common_share_what_was_computed(episode, contrast):
    shared = SharedActivations(1)
    first = replace(contrast, rows_a=np.arange(10), rows_b=np.arange(20, 30))
    second = replace(contrast, rows_a=np.arange(5, 15), rows_b=np.arange(30, 40))
    episode(FEW, contrast=first, shared=shared)
    assert shared.computed == 20
    found = episode(FEW, contrast=second, shared=shared, scout_id=4)
    assert shared.computed == 20 + 15
    assert found.sent() == episode(FEW, contrast=second, scout_id=4).sent()


def test_scouts_that_hide_other_genes_share_nothing(episode, contrast):
    shared = SharedActivations(1)
    hidings = [None, np.arange(12) < 11, np.arange(12) > 0]
    for n, learns_g in enumerate(hidings, 1):
        hiding = replace(contrast, learns_g=learns_g)
        found = episode(FEW, contrast=hiding, shared=shared)
        assert shared.computed == 40 * n
        assert found.sent() == episode(FEW, contrast=hiding).sent()
    again = replace(contrast, learns_g=hidings[-1].copy())
    episode(FEW, contrast=again, shared=shared)
    assert shared.computed == 40 * len(hidings)


def test_what_the_present_scout_needs_is_kept_and_what_others_needed_makes_room():
    shared, hidden_ld = shared_of(2), torch.zeros(13, 8)
    shared.begin({(0, ""), (1, "")})
    shared.put((0, ""), hidden_ld)
    shared.put((1, ""), hidden_ld + 1)
    shared.put((2, ""), hidden_ld + 2)
    assert [shared.get((row, "")) is not None for row in range(3)] == [True, True, False]
    shared.begin({(1, ""), (3, ""), (4, "")})
    shared.put((3, ""), hidden_ld + 3)
    shared.put((4, ""), hidden_ld + 4)
    assert [shared.get((row, "")) is not None for row in range(5)] == [False, True, False, True, False]
    assert shared.n_bytes == 2 * A_SAMPLE


def test_what_is_larger_than_the_budget_is_not_kept():
    shared = shared_of(2)
    shared.begin(set())
    shared.put((0, ""), torch.zeros(13, 8))
    shared.put((1, ""), torch.zeros(3 * 13, 8))
    assert shared.get((1, "")) is None
    assert shared.n_bytes in (0, A_SAMPLE)


def test_an_encoder_that_trains_whole_has_nothing_to_keep(episode):
    shared = SharedActivations(1)
    episode(changed(max_epochs=2, trained_blocks=0), shared=shared)
    assert (shared.computed, shared.n_bytes) == (0, 0)


@pytest.fixture(scope="module")
def wide():
    """Wide enough for matrix products to sum in another order for one sample than for several."""
    model = ModelConfig(dim=32, depth=2, heads=4, dim_head=8, n_features=16)
    vectors_gd = torch.randn(200, model.dim, generator=torch.Generator().manual_seed(1))
    tokens_ng = np.random.default_rng(5).integers(0, 8, (12, 200)).astype(np.uint8)
    tokens_ng[3:5, :7] = 9  # not measured, so that a batch of these and others has a mask
    return partial(
        toy_episode,
        make_encoder=lambda: new_encoder(model, PreprocessingConfig(n_bins=8), vectors_gd, seed=0),
        tokens_ng=tokens_ng,
        contrast=Contrast("one half against the other", "", np.arange(6), np.arange(6, 12)),
    )


def test_a_sample_has_the_same_bits_in_whatever_company_it_is_asked_for(wide):
    encoder, tokens_ng = wide.keywords["make_encoder"]().eval(), wide.keywords["tokens_ng"]

    def hidden(*companies: list[int]) -> torch.Tensor:
        samples = ScoutSamples(encoder, tokens_ng, np.arange(12), 1, SharedActivations(0), None)
        found = torch.empty(12, 201, 32)
        for rows in companies:
            found[rows] = samples[torch.tensor(rows)][0]
        return found

    together = hidden(list(range(12)))
    assert torch.equal(hidden(*([row] for row in range(12))), together)
    assert torch.equal(hidden([11, 3, 0], [1, 2], [4], [5, 6, 7, 8, 9, 10]), together)


def test_a_scout_sends_the_same_bytes_whatever_was_kept_before_it(wide):
    config = changed(max_epochs=2, batch_size=7, validation_share=0.3)  # 8 train: the last batch is one
    alone = wide(config)
    assert wide(config, shared=SharedActivations(0)).sent() == alone.sent()
    for state in alone.states[:-1]:
        assert wide(config, resume=state).sent() == alone.sent()[state.seq :]
    shared = SharedActivations(8)
    wide(config, contrast=Contrast("others", "", np.array([0, 3, 7]), np.array([1, 4, 9])), shared=shared)
    assert wide(config, shared=shared).sent() == alone.sent()
