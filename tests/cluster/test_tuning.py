"""Ray Tune over fine-tuning settings, under a real Ray of two CPUs."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from cluster.local import ray_session
from cluster.trial_search import JournaledSearch, SparingAsha, search_space
from cluster.tuning import fitting_blocks, run_tuning
from rnalearner.config import (
    FinetuneConfig,
    ModelConfig,
    PreprocessingConfig,
    RaySettings,
    RunConfig,
    ShardConfig,
    TaskConfig,
    TuneConfig,
)
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError, RecipeError
from rnalearner.finetune.fewshot import fewshot_task
from rnalearner.finetune.objective import Learner, Question, ask, judge
from rnalearner.finetune.trials import TrialJournal
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity, load_encoder, new_encoder, save_encoder
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

N_GENES = 30
TASK = TaskConfig(name="flight", train="A", validation="B", test="C")
CONFIG = RunConfig(
    model=ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2),
    finetune=FinetuneConfig(epochs=6, learning_rate=0.01, guide_temperature=9.0),
    tune=TuneConfig(num_samples=6, epochs=(4, 12), grace_epochs=2),
    tasks=(TASK,),
    ray=RaySettings(num_cpus=2, object_store_mb=100, use_gpu=False),
)


def prepared(root: Path) -> RunLayout:
    """Three studies in a shard each, that of the test damaged; an untrained checkpoint; half a guide."""
    layout, rng = RunLayout(root), np.random.default_rng(0)
    genes = GeneSet(tuple(f"ENSMUSG{g:011d}" for g in range(N_GENES)))
    config = ShardConfig(rows_per_shard=12, rows_per_group=4)
    with ShardWriter(layout.shards, genes, PreprocessingConfig(min_expressed_genes=1), config) as writer:
        for study in "ABC":
            flown_n = np.arange(12) % 2
            level_ng = 200.0 * (1 + flown_n[:, None] * (np.arange(N_GENES) < 10))
            obs = {"sample": [f"{study}{i}" for i in range(12)], "study": study, "modality": "bulk"}
            obs |= {"subject": "", "tissue": "", "total": 1e5, "n_expressed": N_GENES}
            obs["label"] = np.where(flown_n, "FLT", "GC")
            writer.add(rng.poisson(level_ng).astype(np.float32), pd.DataFrame(obs))
    store = ShardStore.open(layout.shards)
    damaged = layout.shards / store.manifest.shards[2].name
    damaged.write_bytes(damaged.read_bytes()[::-1])
    vectors_gd = torch.randn(N_GENES, 8, generator=torch.Generator().manual_seed(0))
    encoder = new_encoder(CONFIG.model, store.preprocessing, vectors_gd, seed=0)
    own = identity(CONFIG.model, store.preprocessing, store.gene_set)
    save_encoder(layout.base_checkpoint, encoder, own)
    Guide({n: torch.full(p.shape, 0.5) for n, p in encoder.trained_parameters(1).items()}, own).save(
        layout.guide
    )
    return layout


def question_of(layout: RunLayout) -> Question:
    task = TASK.model_copy(update={"validation": None, "test": None})
    return ask(fewshot_task(ShardStore.open(layout.shards), task), CONFIG.tune)


# ---- Ray --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray_of_this_module() -> Iterator[None]:
    with ray_session(CONFIG.ray):
        yield


@pytest.fixture(scope="module")
def tuned(
    tmp_path_factory: pytest.TempPathFactory, ray_of_this_module: None
) -> tuple[RunLayout, TrialJournal, list[int]]:
    layout = prepared(tmp_path_factory.mktemp("tuned"))
    heard: list[int] = []
    journal = run_tuning(
        layout, CONFIG, question_of(layout), "guided", lambda journal: heard.append(len(journal.ended))
    )
    return layout, journal, heard


@pytest.mark.ray
def test_every_trial_ends_and_is_heard_of(tuned):
    _, journal, heard = tuned
    assert heard == list(range(7))
    assert sorted(journal.trials) == list(range(6))
    for trial in journal.trials.values():
        assert trial.status in ("SUCCEEDED", "STOPPED")
        assert (trial.status == "SUCCEEDED") == (trial.epochs_run == trial.settings["epochs"])
        rungs = sorted({epoch for epoch in (2, 6) if epoch < trial.settings["epochs"]} | {trial.epochs_run})
        assert list(trial.scores) == [epoch for epoch in rungs if epoch <= trial.epochs_run]


@pytest.mark.ray
def test_the_settings_lie_in_the_space_but_for_the_recipes_own(tuned):
    _, journal, _ = tuned
    own = journal.trials[0]
    assert own.status == "SUCCEEDED"
    assert own.settings["guide_temperature"] == 9.0  # beyond the space
    for trial in list(journal.trials.values())[1:]:
        settings = trial.settings
        assert settings.keys() == own.settings.keys()
        assert 4 <= settings["epochs"] <= 12
        assert 3e-4 <= settings["learning_rate"] <= 3e-2
        assert 0.25 <= settings["guide_temperature"] <= 4
        assert settings["trained_blocks"] == 1  # the guide knows one


@pytest.mark.ray
def test_the_test_study_is_never_read(tuned):
    layout, _, _ = tuned
    store = ShardStore.open(layout.shards)
    rows = store.obs.index[store.obs["study"] == "C"].to_numpy()
    with pytest.raises(CheckpointError):
        store.tokens(rows)


@pytest.mark.ray
def test_a_trial_scores_what_it_would_in_this_process_without_shared_activations(tuned):
    layout, journal, _ = tuned
    assert len(list(layout.activations.iterdir())) == 1  # one encoder, one cut
    store, question = ShardStore.open(layout.shards), question_of(layout)
    encoder, _ = load_encoder(layout.base_checkpoint, CONFIG.model, store.preprocessing, store.gene_set)
    trial = journal.trials[0]
    expected = judge(
        question,
        torch.from_numpy(store.tokens(question.rows_n)),
        [Learner(CONFIG.finetune.seed, encoder)],
        CONFIG.finetune.model_copy(update=trial.settings),
        [2, 6],
        Guide.load(layout.guide),
    )
    assert {epoch: (loss, accuracy) for epoch, loss, accuracy in expected} == trial.scores


# ---- without Ray ------------------------------------------------------------------------------------


def test_only_blocks_that_model_and_guide_have_are_searched(tmp_path: Path):
    layout = prepared(tmp_path)
    store = ShardStore.open(layout.shards)
    encoder, _ = load_encoder(layout.base_checkpoint, CONFIG.model, store.preprocessing, store.gene_set)

    def fitting(own: int, choices: tuple[int, ...], guide: Guide | None) -> list[int]:
        tune = CONFIG.tune.model_copy(update={"trained_blocks": choices})
        finetune = CONFIG.finetune.model_copy(update={"trained_blocks": own})
        return fitting_blocks(CONFIG.model_copy(update={"tune": tune, "finetune": finetune}), encoder, guide)

    guide = Guide.load(layout.guide)
    assert fitting(0, (0, 1, 2, 3), None) == [0, 1, 2]
    assert fitting(1, (0, 1, 2, 3), guide) == [1]
    with pytest.raises(RecipeError, match=r"tune.trained_blocks: of 2, 3 none fits a model of 2 blocks"):
        fitting(1, (2, 3), guide)
    with pytest.raises(RecipeError, match=r"finetune.trained_blocks: of 2 none fits"):
        fitting(2, (1, 2), guide)


SPACE = search_space(TuneConfig(), (1, 2), guided=False)
OWN = {"learning_rate": 1.0, "head": "conv", "trained_blocks": 7, "epochs": 5, "cohort_centring": True}


def journal_of(path: Path, n: int) -> TrialJournal:
    """`n` trials that ended: gene_pool is good, conv is poor."""
    journal, rng = TrialJournal(path), np.random.default_rng(0)
    for number in range(n):
        head = ("gene_pool", "conv")[number % 2]
        settings = {"learning_rate": 10 ** rng.uniform(-3.5, -1.6), "head": head, "trained_blocks": 1}
        journal.begin(number, settings | {"epochs": 20, "cohort_centring": True})
        journal.score(number, 5, 0.2 if head == "gene_pool" else 0.9, 0.5)
        journal.end(number, "STOPPED", 1)
    return journal


def search_of(journal: TrialJournal, seed: int = 0) -> JournaledSearch:
    return JournaledSearch(SPACE, journal, OWN, seed, lambda: None)


def test_the_first_trial_is_the_recipes_own_even_beyond_the_space(tmp_path: Path):
    search = search_of(TrialJournal(tmp_path / "j"))
    assert search.suggest("a") == {"trial": 0, **OWN}
    assert search.suggest("b")["trial"] == 1
    for trial_id in ("b", "a"):
        search.on_trial_complete(
            trial_id, {"epoch": 5, "loss": 0.5, "accuracy": 1.0, "training_iteration": 1}
        )
    assert search.suggest("c")["trial"] == 2


def test_a_search_that_goes_on_knows_what_was_good_before(tmp_path: Path):
    def heads(journal: TrialJournal) -> list[str]:
        search = search_of(journal)
        if not journal.trials:
            search.suggest("own")
        return [search.suggest(str(i))["head"] for i in range(12)]

    assert heads(journal_of(tmp_path / "known", 30)).count("gene_pool") >= 10
    assert heads(TrialJournal(tmp_path / "new")).count("gene_pool") < 10


def test_a_search_that_goes_on_draws_nothing_twice(tmp_path: Path):
    first = TrialJournal(tmp_path / "j")
    search = search_of(first)
    drawn = [search.suggest(str(i)) for i in range(4)]
    result = {"epoch": 5, "loss": 0.5, "accuracy": 1.0, "training_iteration": 1}
    for i in (0, 1, 2):
        search.on_trial_complete(str(i), result)
    again = search_of(TrialJournal(first.path))
    assert again.suggest("x") == drawn[3]
    new = again.suggest("y")
    assert new["trial"] == 4
    assert new["learning_rate"] not in [settings["learning_rate"] for settings in drawn]


def test_scores_that_are_told_twice_stand_in_the_journal_once(tmp_path: Path):
    """As when a worker dies and its trial begins again."""
    journal = TrialJournal(tmp_path / "j")
    search = search_of(journal)
    for i in range(2):
        search.suggest(str(i))
        for iteration in (1, 1, 2):
            result = {"epoch": 5 * iteration, "loss": 0.5, "accuracy": 1.0}
            search.on_trial_result(str(i), result | {"training_iteration": iteration})
        search.on_trial_complete(str(i), error=True)
    assert journal.path.read_text().count('"epoch": 5,') == 2
    assert [trial.status for trial in journal.ended] == ["FAILED", "FAILED"]


def test_the_scheduler_knows_the_rungs_of_before(tmp_path: Path):
    def judged(journal: TrialJournal, number: int, loss: float) -> str:
        scheduler = SparingAsha(TuneConfig(), 100, journal)
        trial = SimpleNamespace(trial_id="new", config={"trial": number})
        scheduler.on_trial_add(None, trial)
        return scheduler.on_trial_result(None, trial, {"epoch": 5, "loss": loss})

    known, nothing = journal_of(tmp_path / "known", 6), TrialJournal(tmp_path / "nothing")
    assert judged(known, 6, 0.9) == "STOP"
    assert judged(known, 6, 0.1) == "CONTINUE"
    assert judged(nothing, 6, 0.9) == "CONTINUE"
    assert judged(known, 0, 0.9) == "CONTINUE"  # the recipe's own


def test_form_and_temperature_are_searched_where_there_is_a_guide():
    guided = search_space(TuneConfig(), (1,), guided=True)
    assert guided.keys() - search_space(TuneConfig(), (1,), guided=False).keys() == {
        "guide_form",
        "guide_temperature",
    }
    assert set(guided) <= set(FinetuneConfig.model_fields)
