"""Hosts that share no disk, but a bucket: the command's folder is one host, its workers' another.

Ray's workers inherit the environment that says where they keep copies of a run; so they never see the
command's folder, and it never sees theirs.
"""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cluster.local import ray_session
from cluster.pretrain_progress import PROGRESS
from cluster.pretraining import run_pretraining
from cluster.scouting import run_scouting
from jobs.run import run_verb
from rnalearner.checkpoint import WEIGHTS
from rnalearner.config import RaySettings, RunConfig, load_recipe
from rnalearner.config.run import StorageSettings
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of
from rnalearner.shared import SCRATCH, read
from rnalearner.storage import Storage
from tests.cluster.test_pretraining import CONFIG as PRETRAINING
from tests.cluster.test_pretraining import VECTORS_GD
from tests.cluster.test_scouting import CONFIG as SCOUTING
from tests.cluster.test_scouting import CONTRASTS, prepared
from tests.s3_server import new_bucket, s3_server
from tests.toy_corpus import write_toy_corpus

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),
]
SETTINGS = RaySettings(num_cpus=2, object_store_mb=100, use_gpu=False)
RECIPE = Path(__file__).resolve().parents[2] / "jobs" / "recipes" / "smoke.toml"


@pytest.fixture(scope="module")
def workers_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ray, whose workers find the bucket's server and a disk of their own in their environment."""
    disk = tmp_path_factory.mktemp("workers")
    with s3_server(tmp_path_factory.mktemp("home")):
        os.environ[SCRATCH] = str(disk)
        try:
            with ray_session(SETTINGS):
                del os.environ[SCRATCH]  # the command itself works in its own folder
                yield disk
        finally:
            os.environ.pop(SCRATCH, None)


def on_bucket(config: RunConfig) -> tuple[RunConfig, Storage]:
    url = f"{new_bucket()}/run"
    return config.model_copy(update={"storage": StorageSettings(url=url)}), Storage(url)


def pretrained(root: Path, config: RunConfig, **options: object) -> RunLayout:
    layout = RunLayout(root)
    write_toy_corpus(layout.shards)
    run_pretraining(layout, config, np.arange(40), np.arange(40, 48), VECTORS_GD, "run", **options)
    return layout


def test_pretraining_goes_on_on_a_host_that_has_nothing_and_ends_with_the_same_bytes(
    workers_disk: Path, tmp_path: Path
):
    one = PRETRAINING.pretrain.model_copy(update={"num_workers": 1})
    plain = PRETRAINING.model_copy(update={"pretrain": one})
    config, storage = on_bucket(plain)
    lost: list[int] = []
    heard_since: list[int] = []

    def lose_the_host(step: int, max_steps: int, figures: Mapping[str, float]) -> None:
        if lost:
            heard_since.append(step)
        elif read(storage, "pretrain", "state/checkpoint.json") is not None:
            lost.append(step)
            os.kill(json.loads(storage.get(f"progress/{PROGRESS}"))["pid"], signal.SIGKILL)
            for copy in workers_disk.iterdir():
                copy.rename(tmp_path / f"lost-{copy.name}")

    layout = pretrained(tmp_path / "command", config, on_progress=lose_the_host)
    expected = pretrained(tmp_path / "plain", plain)
    assert lost
    assert 0 < lost[0] < 300
    assert min(heard_since) > PRETRAINING.pretrain.evaluate_every  # it did not begin anew
    (there,) = (RunLayout(path) for path in workers_disk.iterdir() if not path.name.startswith("."))
    for mine in (layout, there):
        for folder in (RunLayout.base_checkpoint, RunLayout.pretrain_state):
            weights = [folder.fget(run) / WEIGHTS for run in (mine, expected)]
            assert sha256_of(weights[0]) == sha256_of(weights[1])
    steps = [pd.read_csv(run.pretrain_metrics)["step"].tolist() for run in (layout, expected)]
    assert steps[0] == steps[1]
    assert not layout.ray_train.exists()


def test_a_guide_whose_scouts_share_only_a_bucket_is_the_same(workers_disk: Path, tmp_path: Path):
    config, storage = on_bucket(SCOUTING)
    layout, plain = prepared(tmp_path / "command"), prepared(tmp_path / "plain")
    result = run_scouting(layout, config, CONTRASTS)
    expected = run_scouting(plain, SCOUTING, CONTRASTS)
    assert [version.sha256 for version in result.versions] == [v.sha256 for v in expected.versions]
    assert sha256_of(layout.guide / WEIGHTS) == sha256_of(plain.guide / WEIGHTS)
    assert not layout.deltas.exists()
    assert len([name for name in storage.names("deltas") if "/rows/" in name]) >= len(CONTRASTS)


@pytest.mark.slow
def test_a_run_moves_from_host_to_host_and_ends_as_one_that_stayed(workers_disk: Path, tmp_path: Path):
    """Phase I on one host, Phase II on another, Phase III on a third; each with a folder of its own."""
    recipe = load_recipe(RECIPE, {"finetune.arms": ["guided"], "finetune.seeds": 1})
    config, _ = on_bucket(recipe)
    ended: dict[str, list[tuple[str, str]]] = {}
    for verb in ("pretrain", "scout", "finetune"):
        ended[verb] = []
        run_verb(
            verb,
            config,
            RunLayout(tmp_path / verb),
            lambda *args, **more: None,
            with_needs=True,
            on_phase=lambda name, state, _, verb=verb: ended[verb].append((name, state)),
        )
    ran = {verb: [name for name, state in told if state == "done"] for verb, told in ended.items()}
    assert ran == {
        "pretrain": ["ingest", "gene2vec", "pretrain"],
        "scout": ["explore", "scout"],
        "finetune": ["finetune"],
    }
    plain = RunLayout(tmp_path / "plain")
    run_verb("finetune", recipe, plain, lambda *args, **more: None, with_needs=True)
    last = RunLayout(tmp_path / "finetune")
    for folder in (RunLayout.base_checkpoint, RunLayout.guide):
        assert sha256_of(folder.fget(last) / WEIGHTS) == sha256_of(folder.fget(plain) / WEIGHTS)
    tables = [pd.read_csv(run.finetune("predictions")) for run in (last, plain)]
    pd.testing.assert_frame_equal(*tables)
    stored = [
        sorted(str(p.relative_to(run.classifiers)) for p in run.classifiers.rglob("[!.]*"))
        for run in (last, plain)
    ]
    assert stored[0] == stored[1]
