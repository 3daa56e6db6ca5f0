import numpy as np
import pytest
import torch
from performer_pytorch import Performer

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.model.attention import attend
from rnalearner.model.build import identity, load_encoder, new_encoder, save_encoder
from rnalearner.model.heads import MaskedBinHead, SampleClassifier, seeded_classifier

MODEL = ModelConfig(dim=16, depth=3, heads=2, dim_head=8, n_features=12)
BINS = PreprocessingConfig(n_bins=6)
GENES = GeneSet(tuple(f"ENSMUSG{i:011d}" for i in range(20)))
PAD = 7


@pytest.fixture
def encoder():
    vectors_gd = torch.randn(20, 16, generator=torch.Generator().manual_seed(1))
    return new_encoder(MODEL, BINS, vectors_gd, seed=0).eval()


@pytest.fixture
def tokens_ng():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 6, (4, 20)).astype(np.uint8))


def test_output_equals_performer_pytorch_with_the_same_weights(encoder, tokens_ng):
    theirs = Performer(
        dim=16, depth=3, heads=2, dim_head=8, nb_features=12, ff_mult=4, auto_check_redraw=False
    ).eval()
    theirs.net.load_state_dict(encoder.performer.net.state_dict())
    genes_ngd = encoder.bin_embedding.weight[tokens_ng.long()] + encoder.gene_vectors_gd
    x_nld = torch.cat([genes_ngd, encoder.extra_d.expand(4, 1, 16)], dim=1)
    expected = torch.nn.functional.layer_norm(theirs(x_nld), (16,), encoder.norm.weight, encoder.norm.bias)
    torch.testing.assert_close(encoder(tokens_ng), expected)


def test_attention_with_unmeasured_genes_equals_performer_pytorch_with_a_mask(encoder, tokens_ng):
    tokens_ng[:2, 3:9] = PAD
    hidden_nld, measured_nl = encoder.embed(tokens_ng), encoder.measured(tokens_ng)
    theirs = encoder.performer.net.layers[0][0]
    ours = attend(theirs.fn, theirs.norm(hidden_nld), measured_nl)
    torch.testing.assert_close(ours, theirs(hidden_nld, mask=measured_nl))


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_prefix_then_suffix_is_the_whole(encoder, tokens_ng, cut):
    hidden_nld = encoder.prefix(tokens_ng, cut)
    whole = encoder.suffix(hidden_nld, encoder.measured(tokens_ng), cut)
    torch.testing.assert_close(whole, encoder(tokens_ng))


def test_an_unmeasured_gene_is_no_position_to_attend_to(encoder, tokens_ng):
    tokens_ng[:, 3] = PAD
    hidden_nld, measured_nl = encoder.embed(tokens_ng), encoder.measured(tokens_ng)
    attention = encoder.performer.net.layers[0][0]
    value = attention.fn.to_v
    changed = hidden_nld.clone()
    # A change along a direction that keys cannot see, only values, must reach no other position.
    with torch.no_grad():
        attention.fn.to_k.weight.zero_()
        value.bias.normal_()
    changed[:, 3] += torch.randn(16)
    others = [p for p in range(21) if p != 3]
    before, after = (attention(x, mask=measured_nl)[:, others] for x in (hidden_nld, changed))
    torch.testing.assert_close(before, after)
    assert not torch.allclose(attention(hidden_nld)[:, others], attention(changed)[:, others])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # its compiler uses its own old parts
def test_a_compiled_encoder_gives_the_same_with_unmeasured_genes(encoder, tokens_ng):
    tokens_ng[:2, 3:9] = PAD
    torch.testing.assert_close(torch.compile(encoder)(tokens_ng), encoder(tokens_ng))


def test_the_last_blocks_and_the_final_norm_train(encoder):
    names = encoder.trained_parameters(1)
    assert {n.split(".layers.")[1][0] for n in names if ".layers." in n} == {"2"}
    assert {"norm.weight", "norm.bias"} <= set(names)
    assert set(encoder.trained_parameters(0)) == set(dict(encoder.named_parameters()))


def test_redrawn_projections_depend_on_the_seed_alone(encoder):
    first = encoder.performer.net.layers[0][0].fn.fast_attention.projection_matrix
    encoder.redraw(5)
    drawn = first.clone()
    torch.randn(3)
    encoder.redraw(5)
    assert torch.equal(first, drawn)
    encoder.redraw(6)
    assert not torch.equal(first, drawn)


def test_a_stored_encoder_comes_back_the_same(encoder, tokens_ng, tmp_path):
    save_encoder(tmp_path / "c", encoder, identity(MODEL, BINS, GENES))
    again, _ = load_encoder(tmp_path / "c", MODEL, BINS, GENES)
    assert torch.equal(again.eval()(tokens_ng), encoder(tokens_ng))


def test_a_checkpoint_of_another_gene_set_is_refused(encoder, tmp_path):
    save_encoder(tmp_path / "c", encoder, identity(MODEL, BINS, GENES))
    other = GeneSet((*GENES.ids[:-1], "ENSMUSG99999999999"))
    with pytest.raises(CheckpointError, match="gene set"):
        load_encoder(tmp_path / "c", MODEL, BINS, other)


def test_a_checkpoint_of_another_scale_is_refused(encoder, tmp_path):
    save_encoder(tmp_path / "c", encoder, identity(MODEL, BINS, GENES))
    with pytest.raises(CheckpointError, match="scale"):
        load_encoder(tmp_path / "c", MODEL, BINS.model_copy(update={"scale": "log2p1_cp10k"}), GENES)


def test_a_flipped_bit_in_a_checkpoint_is_found(encoder, tmp_path):
    save_encoder(tmp_path / "c", encoder, identity(MODEL, BINS, GENES))
    path = tmp_path / "c" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum"):
        load_encoder(tmp_path / "c", MODEL, BINS, GENES)


def test_an_untrained_masked_bin_head_is_the_genes_own_histogram():
    head = MaskedBinHead(16, 6, 20)
    prior_gb = torch.log_softmax(torch.randn(20, 6), dim=1)
    head.set_prior(prior_gb)
    logits_mb = head(torch.randn(3, 16), torch.tensor([4, 4, 9]))
    torch.testing.assert_close(logits_mb, prior_gb[[4, 4, 9]])


def test_a_pooled_sample_ignores_unmeasured_genes():
    head = SampleClassifier(torch.randn(20, 16))
    hidden_nld = torch.randn(2, 21, 16)
    measured_nl = torch.ones(2, 21, dtype=torch.bool)
    measured_nl[:, 5] = False
    changed = hidden_nld.clone()
    changed[:, 5] = 100.0
    same = head.features(hidden_nld, measured_nl), head.features(changed, measured_nl)
    torch.testing.assert_close(*same)


def test_pooling_by_gene_is_a_linear_classifier_whose_weights_follow_the_gene_vectors():
    vectors_gd = torch.randn(20, 16)
    head = SampleClassifier(vectors_gd)
    hidden_nld, measured_nl = torch.randn(2, 21, 16), torch.ones(2, 21, dtype=torch.bool)
    logits_nc = head.layers(head.features(hidden_nld, measured_nl))
    weight_ckd = head.layers[0].weight.view(2, 16, 16)
    by_gene_cgd = torch.einsum("ckd,gk->cgd", weight_ckd, vectors_gd) / 20
    expected_nc = torch.einsum("cgd,ngd->nc", by_gene_cgd, hidden_nld[:, :-1]) + head.layers[0].bias
    torch.testing.assert_close(logits_nc, expected_nc, rtol=1e-4, atol=1e-4)


def test_heads_from_one_seed_are_equal():
    a, b = (seeded_classifier(torch.ones(20, 16), "conv", seed=3) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
