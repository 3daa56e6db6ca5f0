import numpy as np
import pytest
import torch

from rnalearner.config import ModelConfig, PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.model.build import identity, load_encoder, new_encoder, save_encoder
from rnalearner.model.heads import MaskedValueHead
from rnalearner.model.inputs import cohort_inputs, stored_inputs
from rnalearner.model.values import HIDDEN, KNOTS, LIMIT, REACH, CentredValues
from rnalearner.shards.read import ShardStore
from tests.toy_corpus import PER_STUDY, write_toy_corpus

MODEL = ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, values="interpolated")
SCALE = PreprocessingConfig()


@pytest.fixture
def encoder():
    return new_encoder(MODEL, SCALE, torch.randn(12, 8), seed=0).eval()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    return write_toy_corpus(tmp_path_factory.mktemp("toy") / "shards")


def test_a_value_between_two_knots_is_between_their_vectors():
    embedding = CentredValues(1, 4)
    step = 2 * REACH / (KNOTS - 1)
    at_knot, between = embedding(torch.tensor([[0.0], [step / 4]]))[:, 0]
    low, high = embedding.knots_kd[KNOTS // 2], embedding.knots_kd[KNOTS // 2 + 1]
    torch.testing.assert_close(at_knot, low)
    torch.testing.assert_close(between, 0.75 * low + 0.25 * high)


def test_values_are_divided_by_the_genes_unit_and_clipped():
    embedding = CentredValues(3, 4)
    embedding.set_unit(torch.tensor([2.0, 0.5, 0.1]))
    values_ng = torch.tensor([[1.0, 1.0, -5.0], [torch.nan, HIDDEN, 0.0]])
    assert embedding.units(values_ng).tolist() == [[0.5, 2.0, -LIMIT], [0.0, 0.0, 0.0]]


def test_a_hidden_value_has_a_vector_of_its_own_and_is_attended_to(encoder):
    values_ng = torch.zeros(1, 12)
    values_ng[0, 3], values_ng[0, 5] = HIDDEN, torch.nan
    place_d = encoder.embed(values_ng)[0, 3] - encoder.gene_vectors_gd[3]
    torch.testing.assert_close(place_d, encoder.value_embedding.hidden_d)
    assert encoder.measured(values_ng)[0].tolist() == [gene != 5 for gene in range(13)]
    assert torch.isfinite(encoder(values_ng)).all()


def test_prefix_then_suffix_is_the_whole_of_centred_values_too(encoder):
    values_ng = torch.randn(3, 12)
    values_ng[0, :4] = torch.nan
    whole = encoder.suffix(encoder.prefix(values_ng, 1), encoder.measured(values_ng), 1)
    torch.testing.assert_close(whole, encoder(values_ng))


def test_units_travel_in_the_checkpoint(encoder, tmp_path):
    genes = GeneSet(tuple(f"ENSMUSG{i:011d}" for i in range(12)))
    encoder.value_embedding.set_unit(torch.arange(1.0, 13.0))
    save_encoder(tmp_path / "c", encoder, identity(MODEL, SCALE, genes))
    again, _ = load_encoder(tmp_path / "c", MODEL, SCALE, genes)
    values_ng = torch.randn(2, 12)
    assert torch.equal(again.eval()(values_ng), encoder(values_ng))


def test_a_checkpoint_of_bins_says_nothing_of_values_as_those_from_before_the_choice():
    genes = GeneSet(("ENSMUSG00000000001",))
    assert "values" not in identity(ModelConfig(), SCALE, genes)["model"]
    assert identity(MODEL, SCALE, genes)["model"]["values"] == "interpolated"


def test_stored_values_are_centred_by_all_samples_of_their_study(store: ShardStore):
    rows = np.array([PER_STUDY + 2, 1])  # of the second and of the first study
    inputs_ng = stored_inputs(store, rows, MODEL)
    second_ng, first_ng = (store.values(np.arange(s, s + PER_STUDY)) for s in (PER_STUDY, 0))
    np.testing.assert_allclose(inputs_ng[0], second_ng[2] - second_ng.mean(0), atol=1e-5)
    np.testing.assert_allclose(inputs_ng[1], first_ng[1] - first_ng.mean(0), atol=1e-5)
    assert np.isnan(inputs_ng[1, ::10]).all()  # unmeasured in the first study


def test_inputs_of_bins_are_tokens(store: ShardStore):
    rows = np.array([5, 3])
    assert (stored_inputs(store, rows, ModelConfig()) == store.tokens(rows)).all()
    counts_ng, total_n = store.counts(rows)
    assert (cohort_inputs(counts_ng, total_n, SCALE, ModelConfig()) == store.tokens(rows)).all()


def test_a_cohort_is_centred_by_its_own_mean(store: ShardStore):
    inputs_ng = cohort_inputs(*store.counts(np.arange(20, 26)), SCALE, MODEL)
    np.testing.assert_allclose(inputs_ng.mean(0), 0, atol=1e-5)


def test_the_untrained_head_shrinks_the_projection_on_what_the_gene_vectors_span():
    vectors_gd = torch.randn(30, 4)
    head = MaskedValueHead(vectors_gd)
    inside_ng = torch.randn(2, 4) @ vectors_gd.T
    seen_ng, sample_m, gene_m = (
        torch.ones(2, 30, dtype=torch.bool),
        torch.tensor([0, 1]),
        torch.tensor([7, 9]),
    )
    told_m = head(torch.randn(2, 4), inside_ng, seen_ng, (sample_m, gene_m))
    torch.testing.assert_close(told_m, 0.5 * inside_ng[sample_m, gene_m])


def test_a_direction_of_zeros_adds_nothing():
    vectors_gd = torch.randn(30, 4)
    vectors_gd[:, 2:] = 0
    units_ng, seen_ng = torch.randn(1, 30), torch.ones(1, 30, dtype=torch.bool)
    at = torch.tensor([0]), torch.tensor([4])
    padded = MaskedValueHead(vectors_gd)(torch.zeros(1, 4), units_ng, seen_ng, at)
    alone = MaskedValueHead(vectors_gd[:, :2])(torch.zeros(1, 2), units_ng, seen_ng, at)
    torch.testing.assert_close(padded, alone)
