"""Pretraining under a real Ray Train, on two CPU workers."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cluster.local import ray_session
from cluster.pretrain_progress import PROGRESS
from cluster.pretraining import PretrainResult, own_error, run_pretraining
from rnalearner.checkpoint import load_checkpoint
from rnalearner.config import ModelConfig, PretrainConfig, RunConfig
from rnalearner.config.run import RaySettings
from rnalearner.errors import CheckpointError, ClusterError, RecipeError
from rnalearner.layout import RunLayout
from rnalearner.model.build import load_encoder
from rnalearner.pretrain.centring import Centring
from rnalearner.shards.read import ShardStore
from tests.toy_corpus import N_GENES, write_toy_corpus

pytestmark = [
    pytest.mark.ray,
    # Ray Data, which Ray Train imports, warns of its own defaults.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
]

SETTINGS = RaySettings(num_cpus=2, object_store_mb=100, use_gpu=False)
CONFIG = RunConfig(
    model=ModelConfig(dim=8, depth=1, heads=2, dim_head=4, n_features=8, feedforward_mult=2),
    pretrain=PretrainConfig(
        num_workers=2,
        batch_size=4,
        max_steps=300,
        evaluate_every=50,
        patience=100,
        redraw_steps=70,
        thinning=0.2,
    ),
    ray=SETTINGS,
)
VECTORS_GD = np.random.default_rng(3).standard_normal((N_GENES, 8)).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def ray_of_this_module() -> Iterator[None]:
    with ray_session(SETTINGS):
        yield


def pretrained(root: Path, config: RunConfig = CONFIG, **options: object) -> tuple[RunLayout, PretrainResult]:
    layout = RunLayout(root)
    if not layout.shards.exists():
        write_toy_corpus(layout.shards)
    rows_train, rows_valid = np.arange(40), np.arange(40, 48)
    return layout, run_pretraining(layout, config, rows_train, rows_valid, VECTORS_GD, "run", **options)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunLayout, PretrainResult]:
    return pretrained(tmp_path_factory.mktemp("uninterrupted"))


def test_a_run_leaves_metrics_a_state_and_the_best_encoder(uninterrupted: tuple[RunLayout, PretrainResult]):
    layout, result = uninterrupted
    table = pd.read_csv(layout.pretrain_metrics, float_precision="round_trip")
    assert table["step"].tolist() == list(range(50, 301, 50))
    assert (table["mode_accuracy"] == result.trivial.mode_accuracy).all()
    assert result.steps == 300
    assert not result.stopped_early
    assert result.valid_loss == table["valid_loss"].min()
    assert result.best_step == table["step"][table["valid_loss"].idxmin()]
    assert result.samples_per_s > 0
    genes = ShardStore.open(layout.shards).gene_set
    _, meta = load_encoder(layout.base_checkpoint, CONFIG.model, CONFIG.preprocessing, genes)
    assert meta["step"] == result.best_step


def test_a_run_whose_worker_is_killed_ends_with_the_same_weights(
    uninterrupted: tuple[RunLayout, PretrainResult], tmp_path: Path
):
    killed: list[int] = []

    def kill_once(step: int, max_steps: int, figures: Mapping[str, float]) -> None:
        if not killed and (tmp_path / "pretrain" / "state").exists():
            killed.append(step)
            os.kill(json.loads((tmp_path / "pretrain" / PROGRESS).read_text())["pid"], signal.SIGKILL)

    layout, result = pretrained(tmp_path, on_progress=kill_once)
    assert killed
    assert 0 < killed[0] < 300
    expected, _ = load_checkpoint(uninterrupted[0].pretrain_state)
    found, _ = load_checkpoint(layout.pretrain_state)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6, msg=name)
    assert result.best_step == uninterrupted[1].best_step


def test_centred_values_are_pretrained_beside_a_linear_predictor_and_their_units_are_kept(tmp_path: Path):
    model = CONFIG.model.model_copy(update={"values": "interpolated"})
    steps = CONFIG.pretrain.model_copy(update={"max_steps": 10, "evaluate_every": 5})
    layout, result = pretrained(tmp_path, CONFIG.model_copy(update={"model": model, "pretrain": steps}))
    table = pd.read_csv(layout.pretrain_metrics)
    assert set(table["model_values"]) == {"interpolated"}
    assert result.trivial.mode_loss < result.trivial.commonest_loss
    store = ShardStore.open(layout.shards)
    encoder, _ = load_encoder(layout.base_checkpoint, model, CONFIG.preprocessing, store.gene_set)
    unit_g = Centring.of(store, np.arange(40), np.arange(40, 48)).unit_g
    np.testing.assert_array_equal(encoder.value_embedding.unit_g, unit_g)


def test_a_finished_run_is_not_trained_again(uninterrupted: tuple[RunLayout, PretrainResult]):
    layout, before = uninterrupted
    state = (layout.pretrain_state / "checkpoint.json").stat().st_mtime_ns
    _, again = pretrained(layout.root)
    assert again == before
    assert (layout.pretrain_state / "checkpoint.json").stat().st_mtime_ns == state


def test_too_few_samples_for_a_batch_on_every_worker_are_refused_before_workers_start(tmp_path: Path):
    pretrain = CONFIG.pretrain.model_copy(update={"batch_size": 32})
    with pytest.raises(RecipeError, match="lower batch_size"):
        pretrained(tmp_path, CONFIG.model_copy(update={"pretrain": pretrain}))
    assert not RunLayout(tmp_path).ray_train.exists()


def group_error(failures: dict[int, Exception]) -> Exception:
    from ray.train import WorkerGroupError  # not above: `cluster` sets what Ray reads when first imported

    return WorkerGroupError("workers failed", failures)


def test_a_workers_error_that_is_the_users_to_mend_is_raised_as_it_was():
    fault = CheckpointError("shard-00000.parquet", "is damaged", "run ingest again")
    # What Ray Train hands over: the death of one worker hides no other worker's own error.
    failures = {0: RuntimeError("connection closed by peer"), 1: fault}
    assert own_error(group_error(failures)) is fault


def test_workers_that_die_without_a_word_are_a_cluster_error_with_the_next_step():
    error = own_error(group_error({0: RuntimeError("worker died")}))
    assert isinstance(error, ClusterError)
    assert "worker died" in str(error)
    assert "go on from its last state" in str(error)
