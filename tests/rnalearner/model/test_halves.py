"""Half a block below and half above is the whole block."""

import pytest
import torch
from torch import Tensor

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.model import halves
from rnalearner.model.build import new_encoder
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.halves import after_attention, feedforward_names, from_feedforward
from rnalearner.model.prefix import FrozenPrefix


@pytest.fixture
def encoder() -> ExpressionEncoder:
    vectors_gd = torch.randn(12, 8, generator=torch.Generator().manual_seed(1))
    config = ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2)
    return new_encoder(config, PreprocessingConfig(n_bins=12), vectors_gd, seed=0).eval()


@pytest.fixture
def tokens_ng() -> Tensor:
    """Five samples; the third lacks two genes."""
    tokens_ng = torch.randint(0, 12, (5, 12), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    tokens_ng[2, :2] = 13
    return tokens_ng


def test_attention_and_then_the_rest_is_the_whole_encoder(encoder: ExpressionEncoder, tokens_ng: Tensor):
    with torch.no_grad():
        before_nld, measured_nl = encoder.prefix(tokens_ng, 1), encoder.measured(tokens_ng)
        found_nld = from_feedforward(encoder, after_attention(encoder, before_nld, measured_nl, 1))
        torch.testing.assert_close(found_nld, encoder(tokens_ng))


def test_a_prefix_that_holds_the_attention_gives_what_the_rest_needs(
    encoder: ExpressionEncoder, tokens_ng: Tensor
):
    with torch.no_grad():
        for cache_mb in (0, 64):
            below = FrozenPrefix(encoder, tokens_ng, 1, cache_mb, batch_size=1, attended=True)
            found_nld = from_feedforward(encoder, below[torch.arange(5)][0])
            torch.testing.assert_close(found_nld, encoder(tokens_ng))
        assert below.frozen
        assert not below[torch.arange(5)][0].requires_grad


def test_pieces_without_a_gradient_and_the_whole_with_one_agree(
    encoder: ExpressionEncoder, tokens_ng: Tensor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(halves, "POSITIONS", 7)  # 5 samples of 13 positions: pieces cross samples
    hidden_nld = FrozenPrefix(encoder, tokens_ng, 1, 64, attended=True)[torch.arange(5)][0]
    with torch.no_grad():
        pieces_nld = from_feedforward(encoder, hidden_nld)
    torch.testing.assert_close(pieces_nld, from_feedforward(encoder, hidden_nld).detach())


def test_only_the_last_feedforward_and_the_norm_are_named(encoder: ExpressionEncoder):
    names = feedforward_names(encoder)
    assert {"norm.weight", "norm.bias"} < names
    assert all(name.startswith(("norm.", "performer.net.layers.1.1.")) for name in names)
    assert len(names) == 2 + 2 + 4  # the final norm, its own norm, two maps with biases
