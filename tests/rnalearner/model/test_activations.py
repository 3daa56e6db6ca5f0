from pathlib import Path

import pytest
import torch
from torch import Tensor

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.model.activations import HIDDEN, activations_key, store_activations, stored_activations
from rnalearner.model.build import new_encoder
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.prefix import FrozenPrefix

N_GENES, N_SAMPLES = 12, 11
MODEL = ModelConfig(dim=8, depth=4, heads=2, dim_head=4, n_features=8, feedforward_mult=2)
BYTES = 4 * N_SAMPLES * (N_GENES + 1) * MODEL.dim
EVERY = torch.arange(N_SAMPLES)


def make_encoder(seed: int = 0) -> ExpressionEncoder:
    vectors_gd = torch.randn(N_GENES, MODEL.dim, generator=torch.Generator().manual_seed(1))
    return new_encoder(MODEL, PreprocessingConfig(n_bins=12), vectors_gd, seed)


@pytest.fixture
def encoder() -> ExpressionEncoder:
    return make_encoder()


@pytest.fixture
def tokens_ng(encoder: ExpressionEncoder) -> Tensor:
    """Some genes of some samples are not measured."""
    tokens_ng = torch.randint(0, 12, (N_SAMPLES, N_GENES), generator=torch.Generator().manual_seed(2))
    tokens_ng[3:6, ::4] = encoder.pad_token
    return tokens_ng.to(torch.uint8)


def test_what_is_stored_is_what_the_prefix_computes_bit_for_bit(
    tmp_path: Path, encoder: ExpressionEncoder, tokens_ng: Tensor
):
    assert store_activations(tmp_path, encoder, tokens_ng, (3, 1, 2), limit_mb=1) == [3, 1, 2]
    for cut in (1, 2, 3):
        stored_nld = stored_activations(tmp_path, encoder, tokens_ng, cut)
        own = FrozenPrefix(encoder, tokens_ng, cut, cache_mb=1)
        assert stored_nld is not None
        assert own.kept_nld is not None
        assert torch.equal(stored_nld, own.kept_nld)
        shared = FrozenPrefix(encoder, tokens_ng, cut, cache_mb=1, stored_nld=stored_nld)
        assert shared.kept_nld is not None
        assert shared.kept_nld.data_ptr() == stored_nld.data_ptr()  # mapped, not copied
        for one, other in zip(shared[EVERY], own[EVERY], strict=True):
            assert torch.equal(one, other)


def test_all_cuts_are_made_in_one_pass(
    tmp_path: Path, encoder: ExpressionEncoder, tokens_ng: Tensor, monkeypatch: pytest.MonkeyPatch
):
    passed: list[tuple[int, int]] = []
    blocks = encoder.blocks

    def watched(hidden_nld: Tensor, measured_nl: Tensor, first: int, last: int) -> Tensor:
        passed.append((first, last))
        return blocks(hidden_nld, measured_nl, first, last)

    monkeypatch.setattr(encoder, "blocks", watched)
    store_activations(tmp_path, encoder, tokens_ng, (3, 1), limit_mb=1, batch_size=N_SAMPLES)
    assert passed == [(0, 1), (1, 3)]
    store_activations(tmp_path, encoder, tokens_ng, (3, 1), limit_mb=1)  # they are there
    assert len(passed) == 2


def test_a_view_of_some_samples_shares_what_is_kept_of_all(encoder: ExpressionEncoder, tokens_ng: Tensor):
    whole = FrozenPrefix(encoder, tokens_ng, 2, cache_mb=1)
    rows = torch.tensor([7, 0, 4])
    part = whole.subset(rows).subset(torch.tensor([2, 0]))
    assert len(part) == 2
    assert part.kept_nld is whole.kept_nld
    for one, other in zip(part[torch.arange(2)], whole[torch.tensor([4, 7])], strict=True):
        assert torch.equal(one, other)
    recomputed = FrozenPrefix(encoder, tokens_ng, 2, cache_mb=0).subset(rows)
    assert recomputed.kept_nld is None
    assert torch.equal(recomputed[torch.arange(3)][0], whole[rows][0])


def changed(encoder: ExpressionEncoder, name: str) -> ExpressionEncoder:
    state = encoder.state_dict()
    state[name] = state[name].clone()
    state[name].flatten()[0] += 1
    encoder.load_state_dict(state)
    return encoder


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("bin_embedding.weight", True),
        ("extra_d", True),
        ("gene_vectors_gd", True),
        ("performer.net.layers.0.0.fn.fast_attention.projection_matrix", True),
        ("performer.net.layers.1.0.fn.to_q.weight", True),
        ("performer.net.layers.2.0.fn.to_q.weight", False),
        ("norm.weight", False),
    ],
)
def test_the_key_depends_on_what_lies_below_the_cut_alone(
    encoder: ExpressionEncoder, tokens_ng: Tensor, name: str, below: bool
):
    before = activations_key(encoder, tokens_ng, 2)
    assert (activations_key(changed(make_encoder(), name), tokens_ng, 2) != before) == below


def test_the_key_differs_by_samples_cut_and_seed(encoder: ExpressionEncoder, tokens_ng: Tensor):
    keys = [
        activations_key(encoder, tokens_ng, 2),
        activations_key(encoder, tokens_ng.flip(0), 2),
        activations_key(encoder, tokens_ng, 1),
        activations_key(make_encoder(seed=1), tokens_ng, 2),
    ]
    assert len(set(keys)) == 4


def test_the_first_cuts_named_are_stored_where_not_all_fit(tmp_path: Path, encoder: ExpressionEncoder):
    # So many samples that one cut takes two thirds of a MiB.
    tokens_ng = torch.randint(0, 12, (int(2 / 3 * 2**20 / BYTES * N_SAMPLES), N_GENES))
    assert store_activations(tmp_path, encoder, tokens_ng, (3, 1), limit_mb=0) == []
    assert store_activations(tmp_path, encoder, tokens_ng, (3, 1), limit_mb=1) == [3]
    assert store_activations(tmp_path, encoder, tokens_ng, (1, 3), limit_mb=1) == [3]
    assert stored_activations(tmp_path, encoder, tokens_ng, 1) is None


def test_where_nothing_is_frozen_nothing_is_stored(
    tmp_path: Path, encoder: ExpressionEncoder, tokens_ng: Tensor
):
    assert store_activations(tmp_path, encoder, tokens_ng, (0,), limit_mb=1) == []
    assert list(tmp_path.iterdir()) == []


def test_damaged_activations_are_none_and_are_made_again(
    tmp_path: Path, encoder: ExpressionEncoder, tokens_ng: Tensor
):
    store_activations(tmp_path, encoder, tokens_ng, (2,), limit_mb=1)
    (file,) = tmp_path.glob(f"*/{HIDDEN}")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert stored_activations(tmp_path, encoder, tokens_ng, 2) is None
    assert store_activations(tmp_path, encoder, tokens_ng, (2,), limit_mb=1) == [2]
    assert file.read_bytes() == whole


def test_what_was_left_half_written_is_removed(tmp_path: Path, encoder: ExpressionEncoder, tokens_ng: Tensor):
    (tmp_path / ".abc.key").mkdir()
    (tmp_path / ".abc.key" / HIDDEN).write_bytes(b"x" * 2**20)
    assert store_activations(tmp_path, encoder, tokens_ng, (2,), limit_mb=1) == [2]
    assert [path.name for path in tmp_path.iterdir()] == [activations_key(encoder, tokens_ng, 2)]


def test_nobody_can_write_through_the_map(tmp_path: Path, encoder: ExpressionEncoder, tokens_ng: Tensor):
    store_activations(tmp_path, encoder, tokens_ng, (2,), limit_mb=1)
    first = stored_activations(tmp_path, encoder, tokens_ng, 2)
    assert first is not None
    before = first.clone()
    first.zero_()
    second = stored_activations(tmp_path, encoder, tokens_ng, 2)
    assert second is not None
    assert torch.equal(second, before)
