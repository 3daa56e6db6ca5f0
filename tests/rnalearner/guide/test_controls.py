"""What each control keeps of a guide, and what it loses."""

import numpy as np
import pytest
import torch

from rnalearner.errors import CheckpointError
from rnalearner.guide.controls import (
    constant,
    constant_genes,
    restricted,
    shuffled_across,
    shuffled_genes,
    shuffled_within,
)
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.guide.scaling import Guide


@pytest.fixture
def guide() -> Guide:
    """One tensor below a half, another above, so that an exchange between them shows."""
    generator = torch.Generator().manual_seed(0)
    low, high = torch.rand(20, 10, generator=generator) / 2, torch.rand(50, generator=generator) / 2 + 0.5
    return Guide({"low": low, "high": high}, {"base_checkpoint": "abc"})


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_guide_shuffled_within_its_tensors_keeps_each_one_s_histogram_and_no_order(guide: Guide):
    shuffled = shuffled_within(guide, rng())
    for name, value in guide.values.items():
        assert torch.equal(shuffled.values[name].flatten().sort().values, value.flatten().sort().values)
        assert shuffled.values[name].shape == value.shape
        assert (shuffled.values[name] == value).float().mean() < 0.2


def test_a_guide_shuffled_across_tensors_keeps_the_histogram_of_the_whole_alone(guide: Guide):
    shuffled = shuffled_across(guide, rng())
    whole, before = (torch.cat([v.flatten() for v in g.values.values()]) for g in (shuffled, guide))
    assert torch.equal(whole.sort().values, before.sort().values)
    assert (shuffled.values["low"] > 0.5).any()
    assert (shuffled.values["high"] < 0.5).any()
    assert {name: value.shape for name, value in shuffled.values.items()} == {"low": (20, 10), "high": (50,)}


def test_a_constant_guide_keeps_the_mean_over_all_parameters(guide: Guide):
    flat = constant(guide)
    whole = torch.cat([value.flatten() for value in guide.values.values()])
    for value in flat.values.values():
        assert len(value.unique()) == 1
        assert value.flatten()[0].item() == pytest.approx(whole.mean().item(), rel=1e-6)


def test_a_seed_decides_a_shuffle_whatever_the_order_of_the_tensors(guide: Guide):
    turned = Guide(dict(reversed(guide.values.items())), guide.meta)
    for shuffle in (shuffled_within, shuffled_across):
        one, other = shuffle(guide, rng()), shuffle(turned, rng())
        assert all(torch.equal(one.values[name], other.values[name]) for name in guide.values)
        assert not torch.equal(one.values["high"], shuffle(guide, np.random.default_rng(4)).values["high"])


def test_the_guide_itself_stays_as_it_was(guide: Guide):
    before = {name: value.clone() for name, value in guide.values.items()}
    for control in (shuffled_within(guide, rng()), shuffled_across(guide, rng()), constant(guide)):
        for value in control.values.values():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in guide.values.items())


def test_a_guide_restricted_to_what_trains_leaves_the_rest_out(guide: Guide):
    only = restricted(guide, {"high"})
    assert only.values.keys() == {"high"}
    assert constant(only).values["high"][0].item() == pytest.approx(guide.values["high"].mean().item())
    with pytest.raises(CheckpointError, match=r"does not know other.*trained_blocks"):
        restricted(guide, {"high", "other"})


def test_in_a_shuffled_gene_guide_a_gene_takes_over_all_that_is_said_of_another():
    genes = tuple(f"G{g}" for g in range(50))
    guide = GeneGuide(genes, np.arange(50.0), np.arange(50.0) + 100, np.arange(50), {})
    shuffled = shuffled_genes(guide, rng())
    assert shuffled.genes == genes
    assert sorted(shuffled.guide_g) == list(guide.guide_g)
    assert (shuffled.guide_g != guide.guide_g).mean() > 0.8
    np.testing.assert_array_equal(shuffled.residual_g, shuffled.guide_g + 100)


def test_a_constant_gene_guide_tells_no_gene_from_another_and_keeps_the_means():
    guide = GeneGuide(("A", "B"), np.array([0.5, 1.5]), np.array([1.0, 3.0]), np.array([2, 4]), {})
    flat = constant_genes(guide)
    assert flat.guide_g.tolist() == [1.0, 1.0]
    assert flat.residual_g.tolist() == [2.0, 2.0]
