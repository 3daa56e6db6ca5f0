from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from rnalearner.config import FinetuneConfig
from rnalearner.errors import CheckpointError, LabelError
from rnalearner.finetune import train as training
from rnalearner.finetune.model import FewShotModel, ridge_map
from rnalearner.finetune.train import FinetuneResult, LabelledTokens, finetune
from rnalearner.guide.scaling import Guide
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.halves import feedforward_names
from rnalearner.model.heads import seeded_classifier
from rnalearner.model.prefix import FrozenPrefix

Data = dict[str, LabelledTokens]
CONFIG = FinetuneConfig(epochs=20, learning_rate=0.01, restart_epochs=20, evaluate_every=5)


@pytest.fixture
def fit(make_encoder, data: Data, monkeypatch: pytest.MonkeyPatch):
    """Fine-tune with fields of the config changed; returns the result, and the state at the end."""
    models: list[FewShotModel] = []

    class Watched(FewShotModel):
        def __init__(self, *parts: object) -> None:
            super().__init__(*parts)  # type: ignore[arg-type]
            models.append(self)

    monkeypatch.setattr(training, "FewShotModel", Watched)

    def run(
        guide: Guide | None = None, seed: int = 0, data: Data = data, **fields: object
    ) -> tuple[FinetuneResult, dict[str, Tensor]]:
        config = FinetuneConfig.model_validate(CONFIG.model_dump() | fields)
        result = finetune(make_encoder(), data, config, seed, guide=guide)
        return result, {name: value.clone() for name, value in models[-1].state_dict().items()}

    return run


@pytest.fixture
def guide_of(make_encoder) -> Callable[[float], Guide]:
    def make(value: float, trained_blocks: int = CONFIG.trained_blocks) -> Guide:
        trained = make_encoder().trained_parameters(trained_blocks)
        return Guide({name: torch.full(p.shape, value) for name, p in trained.items()}, {})

    return make


def same(one: FinetuneResult, other: FinetuneResult) -> bool:
    alike = all(np.array_equal(one.probability[s], other.probability[s]) for s in one.probability)
    return alike and one.curves == other.curves and one.epoch_scored == other.epoch_scored


def moved(encoder: ExpressionEncoder, state: Mapping[str, Tensor]) -> set[str]:
    """Names of the encoder's parameters and buffers of which at least one bit differs."""
    tensors = [*encoder.named_parameters(), *encoder.named_buffers()]
    return {name for name, value in tensors if not torch.equal(value, state[f"encoder.{name}"])}


@pytest.mark.parametrize("head", ["gene_pool", "conv"])
def test_groups_that_can_be_told_apart_are_learnt(fit, data: Data, head: str):
    result, _ = fit(head=head)
    right = {s: (result.probability[s].argmax(1) == d.y_n.numpy()).mean() for s, d in data.items()}
    assert right["train"] == 1
    assert min(right.values()) >= 0.875
    losses = [point["loss"] for point in result.curves if point["split"] == "train"]
    assert losses[-1] < losses[0]


def test_the_curves_show_train_and_validation_at_the_epochs_asked_for(fit):
    result, _ = fit()
    points = [(point["epoch"], point["split"]) for point in result.curves]
    assert points == [(e, s) for e in (1, 5, 10, 15, 20) for s in ("train", "validation")]
    assert result.epoch_scored == 20


@pytest.mark.parametrize("trained_blocks", [1, 2])
def test_what_is_frozen_does_not_move_by_one_bit(fit, make_encoder, trained_blocks: int):
    encoder = make_encoder()
    _, state = fit(trained_blocks=trained_blocks)
    assert moved(encoder, state) == set(encoder.trained_parameters(trained_blocks))


def test_with_0_trained_blocks_all_parameters_move_and_no_buffer_does(fit, make_encoder):
    encoder = make_encoder()
    _, state = fit(trained_blocks=0)
    parameters = {name for name, _ in encoder.named_parameters()}
    assert moved(encoder, state) <= parameters
    assert "bin_embedding.weight" in moved(encoder, state)
    assert "performer.net.layers.0.0.fn.to_q.weight" in moved(encoder, state)


def test_the_encoder_that_was_given_does_not_change(make_encoder, data: Data):
    encoder = make_encoder()
    finetune(encoder, data, CONFIG, seed=0)
    assert not moved(
        encoder, {f"encoder.{name}": value for name, value in make_encoder().state_dict().items()}
    )
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_under_a_guide_of_zeros_only_the_head_learns(fit, make_encoder, guide_of):
    result, state = fit(guide_of(0.0))
    assert moved(make_encoder(), state) == set()
    losses = [point["loss"] for point in result.curves if point["split"] == "train"]
    assert losses[-1] < losses[0]


def test_a_guide_of_ones_is_no_guide_bit_for_bit(fit, guide_of):
    (free, free_state), (guided, guided_state) = fit(), fit(guide_of(1.0))
    assert same(free, guided)
    assert all(torch.equal(value, guided_state[name]) for name, value in free_state.items())


def test_a_guide_between_moves_less(fit, make_encoder, guide_of):
    def distance(state: Mapping[str, Tensor]) -> float:
        now = make_encoder().state_dict()
        return sum(float((state[f"encoder.{n}"] - v).double().square().sum()) for n, v in now.items())

    (_, free), (_, half) = fit(epochs=3), fit(guide_of(0.5), epochs=3)
    assert 0 < distance(half) < distance(free)


def test_a_guide_that_knows_not_every_trained_block_is_refused(fit, guide_of):
    with pytest.raises(CheckpointError, match=r"finetune.trained_blocks"):
        fit(guide_of(0.5), trained_blocks=2)
    fit(guide_of(0.5, trained_blocks=2), trained_blocks=1, epochs=1)


@pytest.mark.parametrize("trained_blocks", [0, 1, 2])
def test_a_kept_prefix_equals_one_that_is_computed_each_time(fit, trained_blocks: int):
    kept, recomputed = (fit(trained_blocks=trained_blocks, prefix_cache_mb=mb, epochs=5) for mb in (64, 0))
    assert same(kept[0], recomputed[0])
    assert all(torch.equal(value, recomputed[1][name]) for name, value in kept[1].items())


def test_the_labels_of_the_test_set_change_nothing(fit, data: Data):
    turned = data | {"test": LabelledTokens(data["test"].tokens_ng, 1 - data["test"].y_n)}
    for select in ("last", "validation"):
        assert same(fit(select=select)[0], fit(select=select, data=turned)[0])


def test_the_samples_of_the_test_set_change_no_weight(fit, data: Data):
    fewer = data | {"test": LabelledTokens(data["test"].tokens_ng[:3], data["test"].y_n[:3])}
    (whole, state), (_, state_of_fewer) = fit(select="validation"), fit(select="validation", data=fewer)
    assert all(torch.equal(value, state_of_fewer[name]) for name, value in state.items())
    assert len(whole.probability["test"]) == 22


def test_the_validation_set_chooses_its_lowest_loss_where_asked(fit):
    result, _ = fit(select="validation", learning_rate=0.05)
    losses = {p["epoch"]: p["loss"] for p in result.curves if p["split"] == "validation"}
    assert result.epoch_scored == min(losses, key=lambda epoch: losses[epoch])


def test_a_seed_decides_everything(fit):
    assert same(fit(seed=3, batch_size=4)[0], fit(seed=3, batch_size=4)[0])
    assert not same(fit(seed=3, batch_size=4)[0], fit(seed=4, batch_size=4)[0])


@pytest.mark.parametrize("batch_size", [5, 11, 12, 99])
def test_batches_hold_each_sample_at_most_once_and_never_one_alone(batch_size: int):
    generator = torch.Generator().manual_seed(0)
    batches = list(training._batches(11, batch_size, generator))
    rows = torch.cat(batches).tolist()
    assert len(set(rows)) == len(rows) >= 10
    assert min(map(len, batches)) > 1


def test_centring_makes_a_shift_of_a_whole_dataset_vanish(make_encoder, data: Data):
    """The head is linear in the hidden state: a shift of all samples alike is one of their features."""
    encoder = make_encoder()
    head = seeded_classifier(encoder.gene_vectors_gd, "gene_pool", 0)
    centred, plain = (
        FewShotModel(encoder, head, CONFIG.model_copy(update={"cohort_centring": on})) for on in (True, False)
    )
    centred.first = plain.first = 3  # after the last block: the norm alone, made the identity below
    encoder.norm = torch.nn.Identity()
    hidden_nld, measured_nl = FrozenPrefix(encoder, data["test"].tokens_ng, 3, 64)[torch.arange(22)]
    shifted_nld = hidden_nld + torch.randn(hidden_nld.shape[1:], generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        torch.testing.assert_close(
            centred.features(shifted_nld, measured_nl), centred.features(hidden_nld, measured_nl)
        )
        before, after = plain.features(hidden_nld, measured_nl), plain.features(shifted_nld, measured_nl)
        assert float((after - before).abs().max()) > 0.1
        torch.testing.assert_close(
            centred.features(hidden_nld, measured_nl).mean(0), torch.zeros(64), atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("head", ["gene_pool", "conv"])
def test_three_classes_are_learnt(make_encoder, head: str):
    def dataset(n: int, seed: int) -> LabelledTokens:
        rng = np.random.default_rng(seed)
        y_n = np.arange(n) % 3
        tokens_ng = rng.integers(2, 5, (n, 12))
        for sample, y in enumerate(y_n):
            tokens_ng[sample, 4 * y : 4 * y + 4] += 4
        return LabelledTokens(torch.from_numpy(tokens_ng.astype(np.uint8)), torch.from_numpy(y_n))

    data = {"train": dataset(12, 1), "test": dataset(21, 2)}
    config = CONFIG.model_copy(update={"head": head})
    result = finetune(make_encoder(), data, config, seed=0, n_classes=3)
    p_nc = result.probability["test"]
    assert p_nc.shape == (21, 3)
    np.testing.assert_allclose(p_nc.sum(1), 1, atol=1e-6)
    assert (p_nc.argmax(1) == data["test"].y_n.numpy()).mean() >= 0.9


def test_the_probabilities_are_those_of_the_model_that_is_left(fit, data: Data):
    result, _ = fit(select="validation", learning_rate=0.05)
    samples = FrozenPrefix(result.model.encoder, data["test"].tokens_ng, result.model.first, 64)
    with torch.no_grad():
        logits_nc = result.model(samples[torch.arange(22)])
    np.testing.assert_allclose(result.probability["test"], logits_nc.softmax(1).numpy(), atol=1e-7)


def test_without_a_validation_set_only_training_is_watched(make_encoder, data: Data):
    alone = {"train": data["train"]}
    result = finetune(make_encoder(), alone, CONFIG, seed=0)
    assert {point["split"] for point in result.curves} == {"train"}
    whole = finetune(make_encoder(), data, CONFIG, seed=0)
    assert np.array_equal(result.probability["train"], whole.probability["train"])
    with pytest.raises(LabelError, match=r"finetune\.select.*no validation study"):
        finetune(make_encoder(), alone, CONFIG.model_copy(update={"select": "validation"}), seed=0)


def test_who_watches_hears_of_every_point_of_the_curves_and_may_end_the_run(make_encoder, data: Data):
    heard: list[tuple[int, str, float, float]] = []

    def watch(epoch: int, scores: Mapping[str, tuple[float, float]]) -> None:
        heard.extend((epoch, split, *score) for split, score in scores.items())
        if epoch == 10:
            raise StopIteration

    with pytest.raises(StopIteration):
        finetune(make_encoder(), data, CONFIG, seed=0, watch=watch)
    curves = finetune(make_encoder(), data, CONFIG, seed=0).curves
    points = [tuple(point.values()) for point in curves if int(point["epoch"]) <= 10]
    assert heard == points


def test_activations_made_before_change_nothing(make_encoder, data: Data):
    prefixes = {split: FrozenPrefix(make_encoder(), d.tokens_ng, 2, 64) for split, d in data.items()}
    plain = finetune(make_encoder(), data, CONFIG, seed=0)
    shared = [finetune(make_encoder(), data, CONFIG, seed=0, prefixes=prefixes) for _ in range(2)]
    assert same(plain, shared[0])
    assert same(plain, shared[1])
    for trained_blocks in (0, 2):
        other = CONFIG.model_copy(update={"trained_blocks": trained_blocks})
        with pytest.raises(ValueError, match="end elsewhere"):
            finetune(make_encoder(), data, other, seed=0, prefixes=prefixes)


def test_a_warmer_guide_lets_more_move_and_a_colder_one_less(fit, make_encoder, guide_of):
    def distance(state: Mapping[str, Tensor]) -> float:
        now = make_encoder().state_dict()
        return sum(float((state[f"encoder.{n}"] - v).double().square().sum()) for n, v in now.items())

    cold, plain, warm = (
        distance(fit(guide_of(0.5), epochs=3, guide_temperature=temperature)[1])
        for temperature in (0.5, 1.0, 2.0)
    )
    assert 0 < cold < plain < warm


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_temperature_moves_a_guide_of_0_or_1(fit, guide_of, value: float):
    plain, warm = (fit(guide_of(value), guide_temperature=t)[0] for t in (1.0, 3.0))
    assert same(plain, warm)


FEEDFORWARD = {"trained_part": "feedforward", "trained_blocks": 1}
POOLS = ["gene_pool", "mean_pool", "attention_pool", "gene_readout"]


@pytest.mark.parametrize("genes_per_step", [0, 8])
@pytest.mark.parametrize("head", POOLS)
def test_with_attention_frozen_only_the_feedforward_the_norm_and_the_head_move(
    fit, make_encoder, data: Data, head: str, genes_per_step: int
):
    result, state = fit(**FEEDFORWARD, head=head, genes_per_step=genes_per_step, learning_rate=0.03)
    assert moved(make_encoder(), state) <= feedforward_names(make_encoder())
    assert {"norm.weight"} < moved(make_encoder(), state)
    right = {s: (result.probability[s].argmax(1) == d.y_n.numpy()).mean() for s, d in data.items()}
    assert right["train"] >= 0.8


@pytest.mark.parametrize("head", POOLS)
def test_a_head_that_starts_as_a_ridge_tells_the_groups_before_any_step(fit, data: Data, head: str):
    result, _ = fit(head=head, initial_head="ridge", learning_rate=1e-9, epochs=1)
    right = {s: (result.probability[s].argmax(1) == d.y_n.numpy()).mean() for s, d in data.items()}
    assert min(right.values()) >= 0.75
    assert right["train"] >= 0.9


def test_a_ridge_gives_each_class_its_share_where_the_features_say_nothing():
    y_n = torch.tensor([0, 0, 0, 1])
    weight_cf, bias_c = ridge_map(torch.ones(4, 7), y_n, 2, penalty=1.0)
    assert not weight_cf.abs().any()
    assert not bias_c.abs().any()


def test_a_ridge_of_hardly_any_penalty_reproduces_the_classes():
    features_nf = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    y_n = torch.tensor([0, 0, 1, 1, 2, 2])
    weight_cf, bias_c = ridge_map(features_nf, y_n, 3, penalty=1e-6)
    told_nc = features_nf @ weight_cf.T + bias_c
    torch.testing.assert_close(told_nc, torch.eye(3)[y_n] - 1 / 3, atol=1e-3, rtol=0)


def test_only_one_split_is_told_where_only_one_is_asked_and_it_is_told_the_same(make_encoder, data: Data):
    whole = finetune(make_encoder(), data, CONFIG, seed=0)
    alone = finetune(make_encoder(), data, CONFIG, seed=0, only="test")
    assert alone.probability.keys() == alone.logits.keys() == {"test"}
    assert alone.curves == []
    np.testing.assert_array_equal(alone.probability["test"], whole.probability["test"])


def test_a_skip_is_added_to_the_logits_and_the_head_gets_one_voice_beside_it(make_encoder, data: Data):
    """With a skip of 100 to 1 for the wrong class, the model says the wrong class at the start."""
    config = CONFIG.model_copy(update={"initial_head": "ridge", "learning_rate": 1e-9, "epochs": 1})
    skip_nc = {s: 100 * (torch.eye(2)[1 - d.y_n] - 0.5) for s, d in data.items()}
    beside = {s: LabelledTokens(d.tokens_ng, d.y_n, 1.01 * skip_nc[s]) for s, d in data.items()}
    alone = finetune(make_encoder(), data, config, seed=0)
    result = finetune(make_encoder(), beside, config, seed=0)
    own = result.logits["train"] - 1.01 * skip_nc["train"].numpy()
    assert own.std() == pytest.approx(1.01 * skip_nc["train"].std().item(), rel=0.1)
    shape = np.corrcoef(own[:, 1], alone.logits["train"][:, 1])[0, 1]
    assert shape == pytest.approx(1)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_one_learning_rate_serves_both_optimisers(fit, make_encoder, optimizer: str):
    """The first step moves the encoder by the rate: every parameter by AdamW, the rms of all by SGD."""
    steps = fit(epochs=1, optimizer=optimizer, learning_rate=1e-3, weight_decay=0.0, initial_head="ridge")
    now = make_encoder().state_dict()
    trained = make_encoder().trained_parameters(1)
    moves = torch.cat([(steps[1][f"encoder.{name}"] - now[name]).flatten() for name in trained])
    assert moves.square().mean().sqrt().item() == pytest.approx(1e-3, rel=0.5)


def test_a_penalty_on_the_way_from_the_start_keeps_the_model_near_it(fit, make_encoder):
    def distance(state: Mapping[str, Tensor]) -> float:
        now = make_encoder().state_dict()
        return sum(float((state[f"encoder.{n}"] - v).double().square().sum()) for n, v in now.items())

    (_, free), (_, held) = fit(), fit(start_penalty=100.0)
    assert distance(held) < 0.5 * distance(free)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trained_part": "feedforward", "trained_blocks": 2}, "trained_blocks to 1"),
        ({"genes_per_step": 5}, "needs trained_part feedforward"),
        ({"genes_per_step": 5, **FEEDFORWARD, "head": "conv"}, "a head that pools genes"),
        ({"initial_head": "ridge", "head": "conv"}, "not conv"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(fields: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        FinetuneConfig(**fields)


def test_genes_that_a_guide_does_not_know_say_nothing_in_the_readout(make_encoder, data: Data):
    """The six genes that differ between the groups are weighed at 0: the others cannot tell them."""
    config = CONFIG.model_copy(update={"head": "gene_readout", "initial_head": "ridge", "epochs": 1})
    deaf_g = torch.ones(12)
    deaf_g[:6] = 0
    result = finetune(make_encoder(), data, config, seed=0, gene_weight_g=deaf_g)
    weight_cg = result.model.head.layers[0].weight
    assert result.model.head.gene_weight_g.tolist() == deaf_g.tolist()
    assert weight_cg[:, :6].abs().max() < 2 * config.learning_rate
