"""FavorAttention takes FastAttention's place, and nothing else changes."""

import pytest
import torch
from performer_pytorch import FastAttention, Performer
from performer_pytorch.performer_pytorch import SelfAttention
from torch import Tensor

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.errors import RecipeError
from rnalearner.model.attention import attend
from rnalearner.model.build import new_encoder
from rnalearner.model.favor.attention import FavorAttention

MODEL = ModelConfig(dim=16, depth=2, heads=2, dim_head=8, n_features=12)


@pytest.fixture
def qkv() -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = torch.randn(3, 2, 4, 30, 8, generator=torch.Generator().manual_seed(0))
    return q, k, v


@pytest.fixture
def measured_nl() -> Tensor:
    return torch.rand(2, 30, generator=torch.Generator().manual_seed(1)) > 0.4


def performer() -> Performer:
    return Performer(dim=16, depth=2, heads=2, dim_head=8, nb_features=12, auto_check_redraw=False)


def encoder():
    return new_encoder(MODEL, PreprocessingConfig(n_bins=6), torch.zeros(20, 16), seed=0)


def test_its_state_is_fast_attentions_both_ways(qkv):
    ours, theirs = FavorAttention(8, 20), FastAttention(8, 20)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(*qkv), theirs(*qkv))
    ours.projection_matrix.copy_(ours.create_projection())
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(*qkv), theirs(*qkv))


def test_an_encoders_blocks_and_a_performers_exchange_their_states():
    ours, theirs = encoder(), performer()
    assert all(isinstance(block[0].fn.fast_attention, FavorAttention) for block in ours.performer.net.layers)
    assert list(ours.performer.net.state_dict()) == list(theirs.net.state_dict())
    x_nld = torch.randn(2, 30, 16)
    theirs.net.load_state_dict(ours.performer.net.state_dict())
    torch.testing.assert_close(ours.performer.net(x_nld), theirs.net(x_nld))
    other = performer()
    ours.performer.net.load_state_dict(other.net.state_dict())
    torch.testing.assert_close(ours.performer.net(x_nld), other.net(x_nld))


def test_taking_a_place_keeps_the_projection_and_moves_no_draw():
    theirs = FastAttention(8, 20)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    ours = FavorAttention.of(theirs)
    assert ours.projection_matrix is theirs.projection_matrix
    assert torch.equal(torch.rand(1), expected)


def test_attention_of_another_kind_keeps_its_place():
    with pytest.raises(ValueError, match="softmax"):
        FavorAttention.of(FastAttention(8, 20, generalized_attention=True))


def test_unmeasured_genes_are_performer_pytorchs_mask(measured_nl: Tensor):
    theirs = SelfAttention(16, heads=2, dim_head=8, nb_features=12)
    hidden_nld = torch.randn(2, 30, 16)
    expected = theirs(hidden_nld, mask=measured_nl)
    theirs.fast_attention = FavorAttention.of(theirs.fast_attention)
    torch.testing.assert_close(attend(theirs, hidden_nld, measured_nl), expected)


@pytest.mark.parametrize("kind", ["auto", "plain", "performer"])
def test_every_way_gives_the_same(kind: str, qkv, measured_nl: Tensor, monkeypatch: pytest.MonkeyPatch):
    theirs = FastAttention(8, 20)
    q, k, v = qkv
    expected = theirs(q, k, v.masked_fill(~measured_nl[:, None, :, None], 0))
    monkeypatch.setenv("RNALEARNER_ATTENTION", kind)
    found = FavorAttention.of(theirs)(q, k, v, measured_nl)
    torch.testing.assert_close(found, expected)
    # Other sums in another order: were it not so, the way would not have been taken.
    assert torch.equal(found, expected) == (kind == "performer")


def test_a_way_that_is_none_is_refused_by_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RNALEARNER_ATTENTION", "quick")
    with pytest.raises(
        RecipeError, match=r"^RNALEARNER_ATTENTION: .*quick.*; .*auto, fused, plain, performer"
    ):
        FavorAttention(8, 20)


def test_kernels_that_cannot_run_are_refused_by_a_sentence(qkv, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RNALEARNER_ATTENTION", "fused")
    with pytest.raises(RecipeError, match=r"^RNALEARNER_ATTENTION: .* 8 numbers on cpu; set it to auto\.$"):
        FavorAttention(8, 20)(*qkv)
