"""Three classes, learnt once by two arms, and what their stored classifiers say of new samples."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from rnalearner.config import FinetuneConfig, ModelConfig, PredictConfig, PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.counts.read import read_counts
from rnalearner.errors import CheckpointError, GeneError, RecipeError
from rnalearner.finetune.answers import write_answers
from rnalearner.finetune.classifier import Classifier, EncoderIndex
from rnalearner.finetune.predict import Answers, answer
from rnalearner.finetune.train import LabelledTokens, finetune
from rnalearner.finetune.voices import ask
from rnalearner.layout import RunLayout
from rnalearner.linear.stored import Training
from rnalearner.model.build import identity, new_encoder
from rnalearner.preprocessing import pipeline
from rnalearner.preprocessing.normalize import log2p1_cpm

CLASSES = ("liver", "brain", "heart|atrium")
IDS = tuple(f"ENSMUSG{number:011d}" for number in range(1, 31))
GENES = GeneSet(IDS)
MODEL = ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2)
PREPROCESSING = PreprocessingConfig(min_expressed_genes=5)
FINETUNE = FinetuneConfig(
    arms=("none", "pretrained"), seeds=2, epochs=10, learning_rate=0.003, restart_epochs=10
)


def counts(y_n: np.ndarray, seed: int) -> np.ndarray:
    """n x g: ten genes of each sample's class are four times louder; the study has levels of its own."""
    rng = np.random.default_rng(seed)
    log2_ng = np.linspace(5, 8, 30) + rng.normal(0, 0.3, 30) + rng.normal(0, 0.2, (len(y_n), 30))
    for sample, y in enumerate(y_n):
        log2_ng[sample, 10 * y : 10 * y + 10] += 2
    return rng.poisson(2**log2_ng).astype(np.float32)


@dataclass(frozen=True)
class Run:
    """A run with encoders alone, and what each arm said of the test samples, s x n x c."""

    layout: RunLayout
    y_test_n: np.ndarray
    test_ng: np.ndarray
    said: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    layout = RunLayout(tmp_path_factory.mktemp("run"))
    folder = layout.classifiers
    y_train_n, y_test_n = np.arange(12) % 3, np.arange(9) % 3
    train_ng, test_ng = counts(y_train_n, 1), counts(y_test_n, 2)
    data = {
        split: LabelledTokens(
            torch.from_numpy(pipeline.tokens(x_ng, x_ng.sum(1), PREPROCESSING)), torch.from_numpy(y_n)
        )
        for split, x_ng, y_n in (("train", train_ng, y_train_n), ("test", test_ng, y_test_n))
    }
    said: dict[str, np.ndarray] = {}
    for number, arm in enumerate(FINETUNE.arms):
        p_snc = []
        for seed in range(FINETUNE.seeds):
            vectors_gd = torch.randn(30, 8, generator=torch.Generator().manual_seed(number))
            encoder = new_encoder(MODEL, PREPROCESSING, vectors_gd, seed=number)
            result = finetune(encoder, data, FINETUNE, seed, n_classes=3)
            meta = identity(MODEL, PREPROCESSING, GENES) | {
                "preprocessing": PREPROCESSING.model_dump(mode="json"),
                "finetune": FINETUNE.model_dump(mode="json"),
                "classes": list(CLASSES),
            }
            Classifier(result.model, meta).save(folder / "tissue" / arm / str(seed))
            p_snc.append(result.probability["test"])
        said[arm] = np.stack(p_snc)
    training = Training(log2p1_cpm(train_ng, train_ng.sum(1)), y_train_n)
    training.save(folder / "tissue", GENES, CLASSES)
    EncoderIndex({"tissue": CLASSES}, PREPROCESSING, FINETUNE, GENES).save(folder)
    return Run(layout, y_test_n, test_ng, said)


def table(x_ng: np.ndarray, ids: Sequence[str] = IDS, names: Sequence[str] | None = None) -> anndata.AnnData:
    """Samples as `read_counts` gives them."""
    names = [f"N{number}" for number in range(len(x_ng))] if names is None else names
    obs = pd.DataFrame(
        {"total": x_ng.sum(1, dtype=float), "n_expressed": (x_ng > 0).sum(1)}, index=list(names)
    )
    return anndata.AnnData(obs=obs, var=pd.DataFrame(index=list(ids)), layers={"counts": x_ng})


def asked(run: Run, samples: anndata.AnnData, **fields: object) -> Answers:
    config = PredictConfig.model_validate(fields)
    return answer(run.layout, samples, config, lambda done, total, note: None)


def probabilities(answers: Answers, prefix: str = "") -> np.ndarray:
    return answers.obs[[f"rnalearner_{prefix}probability_{name}" for name in CLASSES]].to_numpy()


def test_a_stored_classifier_says_what_it_said_in_its_run(run: Run):
    tokens_ng = pipeline.tokens(run.test_ng, run.test_ng.sum(1), PREPROCESSING)
    for arm, p_snc in run.said.items():
        for seed, p_nc in enumerate(p_snc):
            stored = Classifier.load(run.layout.classifiers / "tissue" / arm / str(seed))
            np.testing.assert_allclose(ask(stored, tokens_ng), p_nc, atol=1e-5)


def test_a_prediction_is_the_mean_of_the_seeds_with_the_other_arms_beside_it(run: Run):
    answers = asked(run, table(run.test_ng))
    assert answers.info["arm"] == "pretrained"
    np.testing.assert_allclose(probabilities(answers), run.said["pretrained"].mean(0), atol=1e-5)
    np.testing.assert_allclose(probabilities(answers, "none_"), run.said["none"].mean(0), atol=1e-5)
    turned = asked(run, table(run.test_ng), arm="none")
    np.testing.assert_allclose(probabilities(turned), run.said["none"].mean(0), atol=1e-5)
    spread_n = run.said["pretrained"][:, np.arange(9), run.said["pretrained"].mean(0).argmax(1)].std(0)
    np.testing.assert_allclose(answers.obs["rnalearner_spread"], spread_n, atol=1e-5)


def test_classes_and_rivals_are_called_by_their_names(run: Run):
    obs = asked(run, table(run.test_ng)).obs
    truth = [CLASSES[y] for y in run.y_test_n]
    for prefix in ("", "rival_", "rival_centred_"):
        assert obs[f"rnalearner_{prefix}call"].tolist() == truth
    assert (obs["rnalearner_coverage"] == 1).all()


def test_what_is_unsure_or_disputed_is_abstained_from_with_a_reason(run: Run):
    obs = asked(run, table(run.test_ng)).obs
    p_snc = run.said["pretrained"]
    unsure_n = p_snc.mean(0).max(1) < 0.6
    disputed_n = p_snc[0].argmax(1) != p_snc[1].argmax(1)
    assert 0 < (unsure_n | disputed_n).sum() < 9
    assert obs["rnalearner_abstained"].tolist() == (unsure_n | disputed_n).tolist()
    assert ((obs["rnalearner_reason"] != "") == obs["rnalearner_abstained"]).all()
    assert not asked(run, table(run.test_ng), min_confidence=0).obs["rnalearner_abstained"][~disputed_n].any()


def test_genes_in_another_order_with_versions_and_strangers_change_nothing(run: Run, tmp_path: Path):
    order = np.random.default_rng(3).permutation(30)
    rows = [f"{IDS[g]}.{g % 9 + 1}," + ",".join(f"{value:.0f}" for value in run.test_ng[:, g]) for g in order]
    stranger = "ENSMUSG00000999999," + ",".join("0" * 9)
    names = [f"N{number}" for number in range(9)]
    (tmp_path / "new.csv").write_text("\n".join([",".join(["gene", *names]), stranger, *rows]) + "\n")
    shuffled = asked(run, read_counts(tmp_path / "new.csv"))
    plain = asked(run, table(run.test_ng))
    np.testing.assert_allclose(probabilities(shuffled), probabilities(plain), atol=1e-6)
    assert (shuffled.obs["rnalearner_coverage"] == 1).all()


def test_genes_that_were_not_measured_lower_the_coverage_and_are_no_zeros(run: Run):
    kept = [g for g in range(30) if g % 3]
    fewer = table(run.test_ng[:, kept], [IDS[g] for g in kept])
    fewer.obs["total"] = run.test_ng.sum(1)
    answers = asked(run, fewer)
    assert answers.obs["rnalearner_coverage"].tolist() == pytest.approx([2 / 3] * 9)
    assert answers.obs["rnalearner_call"].tolist() == [CLASSES[y] for y in run.y_test_n]
    zeros_ng = run.test_ng.copy()
    zeros_ng[:, ::3] = 0
    silent = table(zeros_ng)
    silent.obs["total"] = run.test_ng.sum(1)
    assert np.abs(probabilities(asked(run, silent)) - probabilities(answers)).max() > 1e-3
    told = asked(run, fewer, min_coverage=0.7).obs
    assert told["rnalearner_abstained"].all()
    assert "67% of the model's genes" in told["rnalearner_reason"].iloc[0]


def test_a_table_with_under_half_of_the_genes_is_refused(run: Run):
    with pytest.raises(GeneError, match=r"predict\.table: measures 47% of the 30 genes.*species"):
        asked(run, table(run.test_ng[:, :14], IDS[:14]), min_coverage=0)


def test_a_single_sample_is_centred_by_the_training_samples_and_abstained_from(run: Run):
    liver, brain = (table(run.test_ng[i : i + 1]) for i in (0, 1))
    for one, name in ((liver, "liver"), (brain, "brain")):
        (row,) = asked(run, one).obs.to_dict("records")
        assert row["rnalearner_call"] == name
        assert row["rnalearner_abstained"]
        assert "a cohort of 1 is too small to centre by: 6 are needed" in row["rnalearner_reason"]
        assert row["rnalearner_rival_call"] == name
        assert row["rnalearner_rival_centred_call"] == ""


def test_a_sample_that_expresses_too_few_genes_is_not_asked_and_moves_no_other(run: Run):
    empty_ng = np.zeros((1, 30), np.float32)
    empty_ng[0, :4] = 7
    answers = asked(run, table(np.concatenate([run.test_ng, empty_ng])))
    np.testing.assert_array_equal(probabilities(answers)[:9], probabilities(asked(run, table(run.test_ng))))
    last = answers.obs.iloc[-1]
    assert (last["rnalearner_call"], last["rnalearner_rival_call"]) == ("", "")
    assert last["rnalearner_abstained"]
    assert last["rnalearner_reason"] == "expresses 4 genes, fewer than 5"
    assert np.isnan(probabilities(answers)[-1]).all()


def test_where_no_sample_can_be_asked_all_are_abstained_from(run: Run):
    obs = asked(run, table(np.ones((2, 30), np.float32) * (np.arange(30) < 3))).obs
    assert obs["rnalearner_abstained"].all()
    assert (obs["rnalearner_call"] == "").all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"task": "flight"}, "no task 'flight'; choose among tissue"),
        ({"arm": "guided"}, "among none, pretrained"),
    ],
)
def test_an_unknown_task_or_arm_is_named_beside_those_there_are(run: Run, fields, words: str):
    with pytest.raises(RecipeError, match=words):
        asked(run, table(run.test_ng), **fields)


def test_several_tasks_ask_for_a_choice(run: Run, tmp_path: Path):
    copied = RunLayout(shutil.copytree(run.layout.root, tmp_path / "two"))
    tasks = EncoderIndex.load(copied.classifiers).tasks | {"flight": ("GC", "FLT")}
    EncoderIndex(tasks, PREPROCESSING, FINETUNE, GENES).save(copied.classifiers)
    two = Run(copied, run.y_test_n, run.test_ng, run.said)
    with pytest.raises(RecipeError, match=r"predict\.task: is not given.*tissue, flight"):
        asked(two, table(run.test_ng))
    assert len(asked(two, table(run.test_ng), task="tissue").obs) == 9


def test_a_folder_without_classifiers_and_damaged_ones_are_refused(run: Run, tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"no classifiers here.*rnalearner finetune"):
        answer(RunLayout(tmp_path), table(run.test_ng), PredictConfig(), lambda done, total, note: None)
    folder = RunLayout(shutil.copytree(run.layout.root, tmp_path / "copy"))
    copy = Run(folder, run.y_test_n, run.test_ng, run.said)
    weights = folder.classifiers / "tissue" / "none" / "1" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        asked(copy, table(run.test_ng))
    weights.unlink()
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        asked(copy, table(run.test_ng))
    (folder.classifiers / "genes.txt").write_text("\n".join(reversed(IDS)) + "\n")
    with pytest.raises(CheckpointError, match="not the genes of the classifiers"):
        asked(copy, table(run.test_ng))


def test_every_format_holds_the_same_and_no_cell_of_the_csv_is_a_formula(run: Run, tmp_path: Path):
    samples = table(run.test_ng, names=["=SUM(A1)", *(f"N{number}" for number in range(8))])
    samples.obs["batch/day"] = ["+1", "-2", "@x", "\t=1", "plain", *"abcd"]
    samples.obs["=age"] = np.arange(9) - 1.5
    samples.obs["sample"] = "mouse"
    samples.obs["rnalearner_call"] = "an older run's"
    answers = asked(run, samples)
    paths = write_answers(answers, lambda suffix: tmp_path / f"p.{suffix}", ("h5ad", "parquet", "csv"))
    data = anndata.read_h5ad(paths[0])
    parquet = pd.read_parquet(paths[1])
    sheet = pd.read_csv(paths[2], dtype=str, keep_default_na=False)
    calls = [CLASSES[y] for y in run.y_test_n]
    assert data.obs["rnalearner_call"].tolist() == parquet["rnalearner_call"].tolist() == calls
    assert sheet["rnalearner_call"].tolist() == calls
    assert list(data.obs_names) == list(parquet.index) == ["=SUM(A1)", *(f"N{number}" for number in range(8))]
    assert parquet["batch_day"].tolist() == samples.obs["batch/day"].tolist()
    assert parquet["rnalearner_abstained"].dtype == bool
    assert json.loads(data.uns["rnalearner"])["classes"] == list(CLASSES)
    np.testing.assert_allclose(data.X, log2p1_cpm(run.test_ng, run.test_ng.sum(1)))
    assert sheet["sample"][0] == "'=SUM(A1)"
    assert sheet["batch_day"].tolist()[:5] == ["'+1", "'-2", "'@x", "'\t'=1", "plain"]
    assert sheet["'=age"].tolist()[:2] == ["-1.5", "-0.5"]  # figures stay figures
    cells = [*sheet.columns, *sheet.drop(columns="'=age").to_numpy().ravel()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
