"""The encoder's arms on a toy run: a task that can be learnt, and a guide whose effect is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rnalearner.benchmark.draws import draws
from rnalearner.benchmark.encoder_arms import ENCODER_ARMS, needs, score_encoder
from rnalearner.benchmark.encoder_samples import TaskSamples
from rnalearner.benchmark.encoder_skip import Skips
from rnalearner.benchmark.results import COLUMNS, checked_results
from rnalearner.benchmark.tasks import BenchmarkTask, LoadedTask, Side
from rnalearner.config import FinetuneConfig, ModelConfig, RunConfig
from rnalearner.errors import CheckpointError, RecipeError
from rnalearner.finetune import train as training
from rnalearner.finetune.readout import store_readout, stored_readout
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.linear.guided import fit_guided
from rnalearner.model.build import identity, new_encoder, save_encoder
from rnalearner.shards.read import ShardStore
from tests.toy_corpus import write_toy_corpus

MODEL = ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2)
FINETUNE = FinetuneConfig(
    epochs=10, restart_epochs=10, learning_rate=0.01, trained_part="feedforward", initial_head="ridge"
)
CONFIG = RunConfig(name="toy", model=MODEL, finetune=FINETUNE)


@pytest.fixture
def store(tmp_path: Path) -> ShardStore:
    return write_toy_corpus(RunLayout(tmp_path / "run").shards)


@pytest.fixture
def run(tmp_path: Path, store: ShardStore) -> RunLayout:
    """A run with a base checkpoint and a guide that lets one parameter in ten move."""
    layout = RunLayout(tmp_path / "run")
    own = identity(MODEL, store.preprocessing, store.gene_set)
    vectors_gd = torch.randn(len(store.gene_set), 8, generator=torch.Generator().manual_seed(1))
    encoder = new_encoder(MODEL, store.preprocessing, vectors_gd, seed=3)
    save_encoder(layout.base_checkpoint, encoder, own)
    generator = torch.Generator().manual_seed(2)
    trained = encoder.trained_parameters(1)
    values = {name: (torch.rand(p.shape, generator=generator) < 0.1).float() for name, p in trained.items()}
    Guide(values, own).save(layout.guide)
    return layout


def side(study: str, seed: int, n: int = 16) -> Side:
    """The first ten genes are four times as loud in the positive group; gene 29 was not measured."""
    rng = np.random.default_rng(seed)
    y_n = np.where(np.arange(n) < n // 2, 1.0, 0.0)
    y_n[-1] = np.nan  # of neither group
    level_ng = rng.uniform(6, 7, (n, 29))
    level_ng[:, :10] += 2 * (y_n == 1)[:, None]
    counts_nh = rng.poisson(2**level_ng).astype(np.float32)
    genes = tuple(f"ENSMUSG{g:011d}" for g in range(29))
    names = tuple(f"{study}-{i}" for i in range(n))
    x_ng = np.log2(counts_nh + 1)
    return Side((study,), names, names, y_n, x_ng, genes, counts_nh, np.full(n, 2e4))


@pytest.fixture
def make_task() -> Callable[..., LoadedTask]:
    def make(pair: bool = False) -> LoadedTask:
        train = side("A", 1)
        test = side("B", 2) if pair else train
        of = (("A",), ("B",)) if pair else (("A",), ("A",))
        task = BenchmarkTask("toy", *of, "label", ("yes",), ("no",), "family")
        return LoadedTask(task, train, test, train.all_genes)

    return make


def scored(run: RunLayout, task: LoadedTask, arms: tuple[str, ...], n: int = 2, **finetune) -> pd.DataFrame:
    settings = FinetuneConfig.model_validate(FINETUNE.model_dump() | finetune)
    config = CONFIG.model_copy(update={"finetune": settings})
    return score_encoder(run, config, task, 2, draws(task, 2, n), arms, range(2))


def test_every_arm_gives_a_row_a_draw_and_seed_with_the_columns_of_the_results(run, make_task):
    told: list[tuple[int, int]] = []
    task = make_task()
    table = score_encoder(
        run, CONFIG, task, 2, draws(task, 2, 2), ENCODER_ARMS, range(2), on_progress=lambda *n: told.append(n)
    )
    assert list(table.columns) == COLUMNS
    assert len(checked_results(table, "toy")) == len(ENCODER_ARMS) * 2 * 2
    assert told[-1] == (36, 36)
    assert set(table["n_test"]) == {11}  # 15 samples of a group, less four that train
    assert table["centred"].all()


@pytest.mark.parametrize("pair", [False, True])
def test_a_task_that_can_be_learnt_is_learnt_by_every_arm(run, make_task, pair: bool):
    table = scored(run, make_task(pair), ("none", "pretrained", "guided"))
    assert table.groupby("arm")["auroc"].mean().min() > 0.9


def test_a_row_depends_on_its_own_draw_arm_and_seed_alone(run, make_task):
    task = make_task()
    whole = score_encoder(run, CONFIG, task, 2, draws(task, 2, 3), ("none", "guided_shuffled"), range(3))
    key = ["arm", "draw", "seed"]
    for arm in ("none", "guided_shuffled"):
        alone = score_encoder(run, CONFIG, task, 2, draws(task, 2, 3)[2:], (arm,), [2])
        same = whole.set_index(key).loc[[(arm, 2, 2)]].reset_index()[alone.columns]
        pd.testing.assert_frame_equal(alone, same)


def test_the_frozen_part_is_computed_once_for_all_arms_that_start_alike(run, make_task, monkeypatch):
    made = []
    below = TaskSamples.below

    def counted(*given):
        made.append(given)
        return below(*given)

    monkeypatch.setattr(TaskSamples, "below", counted)
    scored(run, make_task(), ENCODER_ARMS, n=3)
    assert len(made) == 2 + 2 + 1  # a random encoder a seed for none and for vectors, one for all others


def test_genes_that_the_study_did_not_measure_are_padding(store: ShardStore, make_task):
    samples = TaskSamples.of(make_task(pair=True), store, MODEL)
    assert samples.inputs_ng.shape == (30, 30)
    assert (samples.inputs_ng[:, 29] == store.vocabulary.pad).all()
    assert (samples.inputs_ng[:, :29] < store.vocabulary.n_bins).all()
    task = make_task(pair=True)
    cpm = task.test.counts_nh[3, 5] / task.test.total_n[3] * 1e6
    assert samples.inputs_ng[samples.test_place[3], 5] == int(np.log2(cpm + 1))
    assert samples.y_n[samples.test_place[3]] == 1


def test_the_labels_of_the_test_side_change_no_probability(run, store: ShardStore, make_task):
    """The scores change; what is predicted does not."""
    task = make_task(pair=True)
    turned = LoadedTask(task.task, task.train, replace(task.test, y_n=1 - task.test.y_n), task.genes)
    draw = draws(task, 2, 1)[0]
    (one,), (other,) = (
        score_encoder(run, CONFIG, t, 2, [draw], ("pretrained",), [0])["auroc"] for t in (task, turned)
    )
    assert one == pytest.approx(1 - other)


def test_the_gradient_form_is_the_free_arm_under_adam_and_another_under_sgd(run, make_task):
    """Adam undoes a guide on the gradient up to where it is 0; here it is .05 everywhere."""
    folder = run.guide
    guide = Guide.load(folder)
    faint = Guide({name: torch.full_like(value, 0.05) for name, value in guide.values.items()}, guide.meta)
    faint.save(folder)
    moved = {}
    task = make_task()
    arms = ("pretrained", "guided", "guided_gradient_adam", "guided_gradient_sgd")
    for arm, optimizer in zip((*arms, "pretrained"), ("adamw", "adamw", "adamw", "sgd", "sgd"), strict=True):
        moved[arm, optimizer] = _moved(run, task, arm, optimizer)
    assert moved["guided_gradient_adam", "adamw"] == pytest.approx(moved["pretrained", "adamw"], rel=0.1)
    assert moved["guided", "adamw"] < 0.3 * moved["pretrained", "adamw"]
    assert moved["guided_gradient_sgd", "sgd"] < 0.3 * moved["pretrained", "sgd"]


def _moved(run: RunLayout, task: LoadedTask, arm: str, optimizer: str) -> float:
    """How far the encoder's trained part goes in one fine-tuning of an arm."""
    found = []
    finetune = training.finetune

    def watched(encoder, *given, **named):
        result = finetune(encoder, *given, **named)
        now = result.model.encoder.state_dict()
        found.append(sum(float((now[n] - v).square().sum()) for n, v in encoder.state_dict().items()) ** 0.5)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnalearner.benchmark.encoder_samples.finetune", watched)
        settings = {"optimizer": optimizer, "weight_decay": 0.0}
        scored(run, task, (arm,), n=1, **settings)
    return found[0]


def test_an_arm_says_which_phases_it_needs_and_an_unknown_one_is_refused(run, make_task):
    assert needs("none") == ("ingest",)
    assert needs("pretrained") == needs("vectors") == ("ingest", "pretrain")
    assert needs("guided_constant") == ("ingest", "pretrain", "scout", "genes")
    with pytest.raises(RecipeError, match=r"unguided.*there is no such arm.*none, vectors"):
        scored(run, make_task(), ("unguided",))


def test_a_run_without_a_guide_is_refused_for_guided_arms_alone(run, make_task):
    (run.guide / "checkpoint.json").unlink()
    assert len(scored(run, make_task(), ("pretrained",))) == 4
    with pytest.raises(CheckpointError, match="guide"):
        scored(run, make_task(), ("guided",))


READS_GENES = {"head": "gene_readout", "learning_rate": 1e-4}


def test_a_guided_arm_hears_only_the_genes_that_the_gene_guide_knows(run, store: ShardStore, make_task):
    """Known are only genes that do not differ between the groups; two more are there, nearly unheard."""
    genes = store.gene_set.ids
    guide_g = np.r_[1e-6, 1e-6, np.ones(19)]
    values = (guide_g, np.ones(21), np.full(21, 3))
    GeneGuide((*genes[:2], *genes[10:29]), *values, {}).save(run.gene_guide)
    table = scored(run, make_task(), ("pretrained", "guided", "guided_constant"), n=3, **READS_GENES)
    means = table.groupby("arm")["auroc"].mean()
    assert means["pretrained"] > 0.9
    assert means["guided"] < means["guided_constant"] - 0.1
    assert means["guided"] < 0.8


def test_the_corpus_direction_is_taken_by_arms_that_start_pretrained(run, store: ShardStore, make_task):
    before = scored(run, make_task(), ("none", "pretrained"), **READS_GENES)
    store_readout(run, CONFIG, store, np.arange(48))
    assert stored_readout(run).shape == (8,)
    after = scored(run, make_task(), ("none", "pretrained"), **READS_GENES)
    changed = before["brier"] != after["brier"]
    assert set(before["arm"][changed]) == {"pretrained"}


@pytest.mark.parametrize("skip", ["linear", "guided"])
def test_beside_a_skip_an_encoder_that_knows_nothing_is_as_good_as_the_linear_model(
    run, store: ShardStore, make_task, skip: str
):
    genes = store.gene_set.ids
    GeneGuide(genes, np.ones(30), np.ones(30), np.full(30, 3), {}).save(run.gene_guide)
    table = scored(run, make_task(), ("none", "guided"), skip=skip, **READS_GENES)
    assert table["auroc"].min() > 0.9


def test_a_skip_is_what_the_guided_linear_model_says(make_task):
    task = make_task()
    (draw,) = draws(task, 2, 1)
    config = CONFIG.model_copy(update={"finetune": FINETUNE.model_copy(update={"skip": "linear"})})
    skip = Skips(task, config).of(draw, None)
    x_ng, side = task.train.x_ng, task.train
    model = fit_guided(
        x_ng[draw.train_rows],
        side.y_n[draw.train_rows],
        genes=task.genes,
        cohort_mg=x_ng,
        guide=None,
        config=config.linear,
    )
    used = [task.genes.index(gene) for gene in model.genes]
    told = model.probabilities(x_ng[draw.test_rows][:, used], x_ng[:, used])
    np.testing.assert_allclose(skip["test"].softmax(1).numpy(), told, atol=1e-6)
    assert Skips(task, CONFIG).of(draw, None) is None
