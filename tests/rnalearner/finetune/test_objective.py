import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rnalearner.config import FinetuneConfig, TuneConfig
from rnalearner.errors import RecipeError
from rnalearner.finetune.fewshot import fewshot_task
from rnalearner.finetune.objective import WORST_LOSS, Learner, Question, ask, judge, rungs
from rnalearner.finetune.train import LabelledTokens, finetune
from rnalearner.model.activations import HIDDEN, MANIFEST, store_activations
from rnalearner.publish import sha256_of, write_json
from tests.toy_tasks import STUDIES, TASK

CONFIG = FinetuneConfig(learning_rate=0.01, restart_epochs=5)
SIX_AND_SIX = {"A": (["FLT", "GC"] * 6, [f"m{i}" for i in range(12)])}


@pytest.fixture
def question(data: dict[str, LabelledTokens]) -> Question:
    """Twelve samples in three parts."""
    parts = tuple((np.setdiff1d(np.arange(12), held), held) for held in np.arange(12).reshape(3, 4))
    return Question(np.arange(12), data["train"].y_n.numpy(), 2, parts)


@pytest.fixture
def tokens_ng(data: dict[str, LabelledTokens]) -> torch.Tensor:
    return data["train"].tokens_ng


@pytest.mark.parametrize(
    ("epochs", "expected"), [(3, [3]), (5, [5]), (6, [5, 6]), (15, [5, 15]), (100, [5, 15, 45, 100])]
)
def test_rungs_grow_by_a_factor_up_to_the_last_epoch(epochs: int, expected: list[int]):
    assert rungs(epochs, grace=5, factor=3) == expected


def test_a_score_is_the_mean_over_held_out_samples_of_one_long_training(
    make_encoder, question: Question, tokens_ng: torch.Tensor
):
    """Each rung is trained anew, and yet stands on the curve of a training that never stopped."""
    curves: list[dict[int, tuple[float, float]]] = []
    y_n = torch.from_numpy(question.y_n)
    for train, held in question.parts:
        curve: dict[int, tuple[float, float]] = {}
        finetune(
            make_encoder(),
            {
                "train": LabelledTokens(tokens_ng[train], y_n[train]),
                "validation": LabelledTokens(tokens_ng[held], y_n[held]),
            },
            CONFIG.model_copy(update={"epochs": 12, "evaluate_every": 4}),
            seed=7,
            watch=lambda epoch, scores, curve=curve: curve.update({epoch: scores["validation"]}),
        )
        curves.append(curve)
    told = list(judge(question, tokens_ng, [Learner(7, make_encoder())], CONFIG, [4, 12]))
    assert [epoch for epoch, _, _ in told] == [4, 12]
    for epoch, loss, accuracy in told:
        expected_loss, expected_accuracy = np.mean([curve[epoch] for curve in curves], axis=0)
        assert loss == pytest.approx(expected_loss, rel=1e-6)
        assert accuracy == pytest.approx(expected_accuracy)
    assert told[-1][1] < told[0][1]


def test_parts_count_by_their_samples_and_seeds_alike(make_encoder, data, tokens_ng: torch.Tensor):
    y_n, every = data["train"].y_n.numpy(), np.arange(12)
    small, large = (every[2:], every[:2]), (every[:6], every[6:])

    def loss(parts: tuple, seeds: tuple[int, ...]) -> float:
        learners = [Learner(seed, make_encoder()) for seed in seeds]
        ((_, found, _),) = judge(Question(every, y_n, 2, parts), tokens_ng, learners, CONFIG, [3])
        return found

    both = loss((small, large), (0,))
    assert both == pytest.approx((2 * loss((small,), (0,)) + 6 * loss((large,), (0,))) / 8)
    assert loss((large,), (0, 1)) == pytest.approx((loss((large,), (0,)) + loss((large,), (1,))) / 2)


@pytest.mark.parametrize("trained_blocks", [0, 1, 2])
def test_with_shared_activations_the_scores_are_the_same_bit_for_bit(
    tmp_path: Path, make_encoder, question: Question, tokens_ng: torch.Tensor, trained_blocks: int
):
    config = CONFIG.model_copy(update={"trained_blocks": trained_blocks})
    cut = make_encoder().first_trained_block(trained_blocks)
    stored = store_activations(tmp_path, make_encoder(), tokens_ng, [cut], limit_mb=1)
    assert stored == ([cut] if cut else [])
    learners = [Learner(0, make_encoder())]
    shared = list(judge(question, tokens_ng, learners, config, [2, 6], activations=tmp_path))
    own = list(judge(question, tokens_ng, learners, config, [2, 6]))
    recomputed = list(
        judge(question, tokens_ng, learners, config.model_copy(update={"prefix_cache_mb": 0}), [2, 6])
    )
    assert shared == own == recomputed


def test_activations_that_are_stored_are_the_ones_used(
    tmp_path: Path, make_encoder, question: Question, tokens_ng: torch.Tensor
):
    store_activations(tmp_path, make_encoder(), tokens_ng, [2], limit_mb=1)
    (folder,) = tmp_path.iterdir()
    hidden_nld = np.load(folder / HIDDEN)
    np.save(folder / HIDDEN, hidden_nld[::-1].copy())
    manifest = json.loads((folder / MANIFEST).read_text())
    write_json(folder / MANIFEST, manifest | {"sha256": sha256_of(folder / HIDDEN)})
    learners = [Learner(0, make_encoder())]
    turned = list(judge(question, tokens_ng, learners, CONFIG, [2], activations=tmp_path))
    assert turned != list(judge(question, tokens_ng, learners, CONFIG, [2]))


def test_a_trial_that_diverges_scores_a_number(make_encoder, question: Question, tokens_ng: torch.Tensor):
    wild = CONFIG.model_copy(update={"learning_rate": 1e30})
    ((_, loss, _),) = judge(question, tokens_ng, [Learner(0, make_encoder())], wild, [3])
    assert loss == WORST_LOSS


# ---- what is asked ------------------------------------------------------------------------------------


def test_folds_are_of_the_training_samples_alone(make_store):
    store = make_store(STUDIES | SIX_AND_SIX)
    task = fewshot_task(store, TASK)
    question = ask(task, TuneConfig(folds=3))
    assert set(store.obs.loc[question.rows_n, "study"]) == {"A"}
    assert len(question.parts) == 3
    for learned_from, held in question.parts:
        assert sorted([*learned_from, *held]) == list(range(12))
        assert question.y_n[held].tolist().count(1) == 2
    again = ask(task, TuneConfig(folds=3, seed=1))
    assert [h.tolist() for _, h in again.parts] != [h.tolist() for _, h in question.parts]


def test_the_validation_study_is_one_part(make_store):
    store = make_store(STUDIES | SIX_AND_SIX)
    question = ask(fewshot_task(store, TASK), TuneConfig(objective="validation"))
    ((learned_from, held),) = question.parts
    assert set(store.obs.loc[question.rows_n[learned_from], "study"]) == {"A"}
    assert set(store.obs.loc[question.rows_n[held], "study"]) == {"B"}
    assert question.y_n.tolist() == [1, 0] * 6 + [0, 1]


def test_without_a_validation_study_its_loss_cannot_be_asked_for(make_store):
    store = make_store(STUDIES)
    task = fewshot_task(store, TASK.model_copy(update={"validation": None}))
    with pytest.raises(RecipeError, match="declares no validation study"):
        ask(task, TuneConfig(objective="validation"))


def test_three_samples_make_no_folds(make_store):
    with pytest.raises(RecipeError, match="3 training samples of 3 subjects do not make 2 parts"):
        ask(fewshot_task(make_store(STUDIES), TASK), TuneConfig(folds=2))
