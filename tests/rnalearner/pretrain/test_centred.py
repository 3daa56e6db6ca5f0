from collections.abc import Iterator

import numpy as np
import pytest
import torch

from rnalearner.config import ModelConfig, PretrainConfig, RunConfig
from rnalearner.config.model import Gene2vecConfig
from rnalearner.model.co_expression import ResidualSketch
from rnalearner.model.covariance import covariance_vectors
from rnalearner.model.values import HIDDEN
from rnalearner.pretrain.centring import Centring
from rnalearner.pretrain.loop import Rank, pretrain
from rnalearner.pretrain.loss import masked_value_loss, score_means
from rnalearner.pretrain.masking import mask_values
from rnalearner.pretrain.start import Start, start_of
from rnalearner.pretrain.state import Progress
from rnalearner.pretrain.step import evaluate, make_optimiser, new_pretrain_model
from rnalearner.pretrain.stopping import EarlyStopping
from rnalearner.shards.read import ShardStore
from tests.toy_corpus import PER_STUDY

MODEL = ModelConfig(
    dim=8, depth=1, heads=2, dim_head=4, n_features=8, feedforward_mult=2, values="interpolated"
)
TRAIN, VALID = np.arange(40), np.arange(40, 48)


def start(store: ShardStore, **fields: object) -> tuple[RunConfig, Start]:
    settings = {"num_workers": 1, "batch_size": 8, "mask_share": 0.3, "evaluate_every": 20, **fields}
    config = RunConfig(model=MODEL, pretrain=PretrainConfig.model_validate(settings))
    return config, start_of(store, config, TRAIN, VALID)


def trained(store: ShardStore, vectors_gd: np.ndarray, **fields: object) -> Iterator[Progress]:
    config, (data, known, _) = start(store, **fields)
    model = new_pretrain_model(MODEL, config.pretrain, store.preprocessing, vectors_gd, known)
    optimiser = make_optimiser(model, config.pretrain.learning_rate, config.pretrain.weight_decay)
    return pretrain(model, optimiser, data, Progress(EarlyStopping(config.pretrain.patience)), Rank())


def test_every_study_has_mean_zero_and_unmeasured_genes_stay_unmeasured(store: ShardStore):
    centring = Centring.of(store, TRAIN, VALID)
    rows = np.arange(48)
    centred_ng = centring.centred(store.values(rows), rows)
    for study in range(6):
        of_study_ng = centred_ng[study * PER_STUDY : (study + 1) * PER_STUDY]
        measured_g = ~np.isnan(of_study_ng).any(0)
        np.testing.assert_allclose(of_study_ng[:, measured_g].mean(0), 0, atol=1e-5)
    assert np.isnan(centred_ng[:PER_STUDY, ::10]).all()
    assert not np.isnan(centred_ng[PER_STUDY:]).any()


def test_the_unit_is_the_residual_spread_of_the_training_studies_and_a_quarter_of_its_median(
    store: ShardStore,
):
    unit_g = Centring.of(store, TRAIN, VALID).unit_g
    values_sng = store.values(TRAIN).reshape(5, PER_STUDY, -1)
    gene = 1  # measured everywhere
    spread_g = np.sqrt(
        np.nansum((values_sng - values_sng.mean(1, keepdims=True)) ** 2, axis=(0, 1))
        / np.where(np.arange(30) % 10 == 0, 28, 35)  # 8 - 1 a study; five studies, or four
    )
    assert unit_g[gene] == pytest.approx(spread_g[gene] + 0.25 * np.median(spread_g), rel=1e-4)
    np.testing.assert_allclose(unit_g, spread_g + 0.25 * np.median(spread_g), rtol=1e-4)


def test_hidden_values_are_not_in_the_inputs_and_constant_or_unmeasured_ones_are_never_hidden():
    values_ng = np.array([[1.5, 0.0, np.nan, -2.0]], np.float32)
    batch = mask_values(values_ng, np.zeros((1, 4), np.float32), 0.5)
    assert batch.gene_m.tolist() == [0, 3]
    assert batch.label_m.tolist() == [1.5, -2.0]
    assert batch.inputs_ng[0, [0, 3]].tolist() == [HIDDEN, HIDDEN]
    assert batch.inputs_ng[0, 1] == 0
    assert torch.isnan(batch.inputs_ng[0, 2])


def test_the_loss_is_hubers_and_the_accuracy_tells_sides():
    predicted_m, truth_m = torch.tensor([0.5, -3.0, 1.0]), torch.tensor([1.0, 1.0, 1.0])
    loss_sum, score_3 = masked_value_loss(predicted_m, truth_m)
    assert loss_sum.item() == pytest.approx(0.125 + 3.5 + 0)
    assert score_means(score_3) == pytest.approx((3.625 / 3, 2 / 3))


def test_an_untrained_model_differs_from_the_studys_mean_by_its_linear_path_alone(store: ShardStore):
    config, (data, known, trivial) = start(store)
    without = np.zeros((30, 8), np.float32)  # vectors that span nothing
    model = new_pretrain_model(MODEL, config.pretrain, store.preprocessing, without, known)
    loss, _ = score_means(evaluate(model, data.validation()))
    assert loss == pytest.approx(trivial.commonest_loss, rel=1e-5)
    assert trivial.commonest_accuracy == 0.5


def test_the_covariance_beats_the_studys_mean_on_an_unseen_study_where_genes_move_together(
    store: ShardStore,
):
    trivial = start(store)[1].trivial
    assert trivial.mode_loss < 0.2 * trivial.commonest_loss
    assert trivial.mode_accuracy > 0.9


def test_pretraining_on_covariance_vectors_comes_near_the_covariance_on_an_unseen_study(store: ShardStore):
    sketch = ResidualSketch.of(store, TRAIN, 4096, np.random.default_rng(0))
    vectors = covariance_vectors(sketch, store.gene_set, Gene2vecConfig(method="covariance"), MODEL.dim)
    *_, end = trained(store, vectors.vectors_gd, max_steps=120, learning_rate=1e-2, patience=9)
    trivial = start(store)[1].trivial
    assert end.stopping.best_loss < 0.3 * trivial.commonest_loss
    assert end.history[-1]["train_loss"] < end.history[0]["train_loss"]


def test_thinned_values_are_centred_by_the_mean_of_the_whole_study(store: ShardStore):
    plain, thinned = (start(store, thinning=t, mask_share=1e-9)[1].data for t in (0.0, 0.5))
    a, b = (torch.cat([batch.inputs_ng for batch in d.training(0, 0)]) for d in (plain, thinned))
    assert not torch.equal(a, b)
    assert (a - b).nanmean().abs() < 0.05
