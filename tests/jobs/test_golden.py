"""The loss curve of jobs/recipes/smoke.toml: what does not mean to change numbers must not move it.

Where a change means to, renew the curve and commit it with the change:
`RENEW_GOLDEN=1 pytest tests/jobs/test_golden.py`.
"""

import os
from pathlib import Path

import pytest

from jobs.gene2vec import gene2vec
from jobs.ingest import ingest
from rnalearner.config import load_recipe
from rnalearner.layout import RunLayout
from rnalearner.model.gene2vec import GeneVectors
from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.loop import Rank, pretrain
from rnalearner.pretrain.split import choose_rows, split_studies
from rnalearner.pretrain.state import Progress
from rnalearner.pretrain.step import make_optimiser, new_pretrain_model
from rnalearner.pretrain.stopping import EarlyStopping
from rnalearner.shards.corpus import corpus_rows
from rnalearner.shards.read import ShardStore

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "pretrain_loss.txt"


def loss_curve(folder: Path) -> list[tuple[int, float, float]]:
    """Step, training and validation loss at each evaluation, without Ray."""
    config, layout = load_recipe(ROOT / "jobs" / "recipes" / "smoke.toml"), RunLayout(folder)
    for phase in (ingest, gene2vec):
        phase(config, layout, lambda label, done, total, note="": None)
    store = ShardStore.open(layout.shards)
    vectors = GeneVectors.load(layout.gene_vectors, store.gene_set, config.model.dim)
    rows = corpus_rows(store.obs, config.tasks).rows
    settings = config.pretrain
    train, valid = split_studies(store.obs, rows, settings.validation_share, settings.seed)
    valid = choose_rows(valid, settings.validation_samples, settings.seed)
    data = PretrainData(store, train, valid, settings, config.shards.shuffle_groups)
    model = new_pretrain_model(
        config.model, settings, store.preprocessing, vectors.vectors_gd, data.histogram()
    )
    optimiser = make_optimiser(model, settings.learning_rate, settings.weight_decay)
    *_, end = pretrain(model, optimiser, data, Progress(EarlyStopping(settings.patience)), Rank())
    return [(int(row["step"]), row["train_loss"], row["valid_loss"]) for row in end.history]


def test_the_loss_curve_of_the_smoke_recipe_is_the_golden_one(tmp_path: Path):
    curve = loss_curve(tmp_path)
    if os.environ.get("RENEW_GOLDEN"):
        lines = [f"{step}\t{train:.6f}\t{valid:.6f}" for step, train, valid in curve]
        GOLDEN.write_text("\n".join(["step\ttrain_loss\tvalid_loss", *lines]) + "\n")
    header, *lines = GOLDEN.read_text().splitlines()
    assert header.split() == ["step", "train_loss", "valid_loss"]
    golden = [tuple(map(float, line.split())) for line in lines]
    assert [step for step, *_ in curve] == [step for step, *_ in golden]
    for found, expected in zip(curve, golden, strict=True):
        assert found[1:] == pytest.approx(expected[1:], rel=1e-3), f"step {found[0]}"


def test_the_golden_curve_falls():
    valid = [float(line.split()[2]) for line in GOLDEN.read_text().splitlines()[1:]]
    assert len(valid) >= 4
    assert valid[-1] < valid[0]
