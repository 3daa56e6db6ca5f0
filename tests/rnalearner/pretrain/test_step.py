from collections.abc import Callable

import pytest
import torch

from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.loss import score_means
from rnalearner.pretrain.masking import MaskedBatch
from rnalearner.pretrain.step import PretrainModel, evaluate, make_optimiser, train_step

MakeData, MakeModel = Callable[..., PretrainData], Callable[..., PretrainModel]


def joined(batches: list[MaskedBatch]) -> MaskedBatch:
    """The samples of several batches as one."""
    before = [sum(b.n_samples for b in batches[:i]) for i in range(len(batches))]
    return MaskedBatch(
        torch.cat([b.inputs_ng for b in batches]),
        torch.cat([b.sample_m + n for b, n in zip(batches, before, strict=True)]),
        torch.cat([b.gene_m for b in batches]),
        torch.cat([b.label_m for b in batches]),
    )


def stepped(model: PretrainModel, micro_batches: list[MaskedBatch], **options: float) -> dict:
    optimiser = make_optimiser(model, 1e-2, 0.01)
    for _ in range(2):  # the head's weights start at zero: the encoder moves from the second step on
        train_step(model, optimiser, micro_batches, 1e-2, clip_norm=1.0, **options)
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def test_logits_at_the_masked_positions_are_those_of_the_whole_sample(
    make_data: MakeData, make_model: MakeModel
):
    data = make_data()
    model = make_model(data)
    torch.nn.init.normal_(model.head.linear.weight, generator=torch.Generator().manual_seed(0))
    batch = next(data.training(0, 0))
    hidden_nld = model.encoder(batch.inputs_ng)
    n_genes = batch.inputs_ng.shape[1]
    all_genes = torch.arange(n_genes)
    whole_ngb = torch.stack([model.head(hidden_gd[:n_genes], all_genes) for hidden_gd in hidden_nld])
    assert torch.allclose(model(batch), whole_ngb[batch.sample_m, batch.gene_m], atol=1e-6)


def test_an_untrained_model_scores_as_the_genes_own_histogram(make_data: MakeData, make_model: MakeModel):
    data = make_data()
    loss, accuracy = score_means(evaluate(make_model(data), data.validation()))
    trivial = data.trivial(data.histogram())
    assert loss == pytest.approx(trivial.mode_loss, rel=1e-5)
    assert accuracy == pytest.approx(trivial.mode_accuracy, abs=0.02)  # ties may break either way


def test_accumulated_micro_batches_make_the_same_step_as_one_large_batch(
    make_data: MakeData, make_model: MakeModel
):
    data = make_data()
    batches = list(data.training(0, 0))[:3]
    apart, together = stepped(make_model(data), batches), stepped(make_model(data), [joined(batches)])
    assert all(torch.allclose(apart[name], together[name], atol=2e-5) for name in apart)


def test_every_parameter_moves(make_data: MakeData, make_model: MakeModel):
    data = make_data()
    before = {name: p.detach().clone() for name, p in make_model(data).named_parameters()}
    after = stepped(make_model(data), list(data.training(0, 0))[:3])
    assert [name for name in before if torch.equal(before[name], after[name])] == []


def test_weight_decay_touches_linear_maps_only(make_data: MakeData, make_model: MakeModel):
    model = make_model(make_data())
    decayed, free = make_optimiser(model, 1e-3, 0.5).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.5, 0)
    names = {id(p): name for name, p in model.named_parameters()}
    assert all(names[id(p)].endswith("weight") and p.ndim == 2 for p in decayed["params"])
    named_free = {names[id(p)] for p in free["params"]}
    assert {"encoder.bin_embedding.weight", "encoder.norm.weight", "head.prior_gb"} <= named_free


def test_dropout_depends_on_its_seed_and_leaves_the_global_generator_alone(
    make_data: MakeData, make_model: MakeModel
):
    data = make_data()
    batches = list(data.training(0, 0))[:1]
    before = torch.random.get_rng_state()
    runs = [stepped(make_model(data, dropout=0.5), batches, dropout_seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.random.get_rng_state())
    name = "encoder.bin_embedding.weight"
    assert torch.equal(runs[0][name], runs[1][name])
    assert not torch.equal(runs[0][name], runs[2][name])


def test_a_step_without_any_masked_position_leaves_finite_weights(make_data: MakeData, make_model: MakeModel):
    data = make_data(mask_share=1e-9)
    after = stepped(make_model(data), list(data.training(0, 0))[:1])
    assert all(torch.isfinite(value).all() for value in after.values())
