"""A run with a linear classifier, and one that has an encoder beside it, asked about new mice."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from rnalearner.config import FinetuneConfig, LinearConfig, ModelConfig, PredictConfig, PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError, GeneError, RecipeError
from rnalearner.finetune.classifier import Classifier, EncoderIndex
from rnalearner.finetune.fewshot import fewshot_task
from rnalearner.finetune.linear import learn_linear
from rnalearner.finetune.model import FewShotModel
from rnalearner.finetune.predict import Answers, answer
from rnalearner.layout import RunLayout
from rnalearner.linear.stored import MODEL, LinearIndex
from rnalearner.model.build import identity, new_encoder
from rnalearner.model.heads import seeded_classifier
from tests.toy_mice import GENES, IDS, LABELS, PLANTED, TASK, mice, mouse_guide, mouse_store

CLASSES = ("GC", "FLT")
PREPROCESSING = PreprocessingConfig(min_expressed_genes=5)
ENCODER = ModelConfig(dim=8, depth=1, heads=2, dim_head=4, n_features=8, feedforward_mult=2)
FINETUNE = FinetuneConfig(arms=("none",), seeds=1)
NEW = LABELS["new"]


def learn(layout: RunLayout, **fields: object) -> None:
    """What the phase `linear` leaves."""
    config = LinearConfig.model_validate(fields)
    store = mouse_store(layout.shards)
    result = learn_linear(store, fewshot_task(store, TASK), mouse_guide(), config)
    folder = layout.linear_classifiers / TASK.name
    result.stored.save(folder / MODEL)
    result.training.save(folder, GENES, CLASSES)
    LinearIndex({TASK.name: CLASSES}, PREPROCESSING, config, GENES).save(layout.linear_classifiers)


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    layout = RunLayout(tmp_path_factory.mktemp("linear"))
    learn(layout)
    return layout


@pytest.fixture(scope="module")
def both(linear: RunLayout, tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """With an encoder that has learned nothing."""
    layout = RunLayout(shutil.copytree(linear.root, tmp_path_factory.mktemp("both") / "run"))
    vectors_gd = torch.randn(len(GENES), ENCODER.dim, generator=torch.Generator().manual_seed(0))
    encoder = new_encoder(ENCODER, PREPROCESSING, vectors_gd, seed=0)
    head = seeded_classifier(encoder.gene_vectors_gd, FINETUNE.head, 0, 2)
    meta = identity(ENCODER, PREPROCESSING, GENES) | {
        "preprocessing": PREPROCESSING.model_dump(mode="json"),
        "finetune": FINETUNE.model_dump(mode="json"),
        "classes": list(CLASSES),
    }
    Classifier(FewShotModel(encoder, head, FINETUNE), meta).save(
        layout.classifiers / TASK.name / "none" / "0"
    )
    EncoderIndex({TASK.name: CLASSES}, PREPROCESSING, FINETUNE, GENES).save(layout.classifiers)
    return layout


def table(labels: Sequence[str], seed: int = 7, effect: float = 2.0, lean: float = 4.0) -> anndata.AnnData:
    """Mice of a third study, as `read_counts` gives them."""
    counts_ng = mice(labels, seed, effect=effect, lean=lean)
    names = [f"N{number}" for number in range(len(labels))]
    obs = pd.DataFrame({"total": 1e6, "n_expressed": (counts_ng > 0).sum(1)}, index=names)
    return anndata.AnnData(obs=obs, var=pd.DataFrame(index=list(IDS)), layers={"counts": counts_ng})


def asked(layout: RunLayout, samples: anndata.AnnData, **fields: object) -> Answers:
    return answer(layout, samples, PredictConfig.model_validate(fields), lambda done, total, note: None)


def test_a_run_of_the_linear_model_alone_calls_new_mice_of_a_shifted_study(linear: RunLayout):
    answers = asked(linear, table(NEW))
    assert answers.obs["rnalearner_call"].tolist() == NEW
    p_nc = answers.obs[["rnalearner_probability_GC", "rnalearner_probability_FLT"]].to_numpy()
    np.testing.assert_allclose(p_nc.sum(1), 1)
    assert not answers.obs["rnalearner_abstained"].any()
    assert answers.obs["rnalearner_rival_centred_call"].tolist() == NEW
    told = {"method": "linear", "arm": "linear", "calibrated": True, "cohort_centring": True, "seeds": 1}
    assert told.items() <= answers.info.items()


def test_where_there_are_both_the_yardsticks_choice_calls_and_the_other_stands_beside_it(both: RunLayout):
    obs = asked(both, table(NEW)).obs
    assert obs["rnalearner_call"].tolist() == NEW
    assert "rnalearner_none_call" in obs
    assert "rnalearner_linear_call" not in obs
    for fields in ({"method": "encoder"}, {"arm": "none"}):
        turned = asked(both, table(NEW), **fields)
        assert (turned.info["method"], turned.info["arm"]) == ("encoder", "none")
        assert turned.obs["rnalearner_linear_call"].tolist() == NEW
        assert turned.obs["rnalearner_call"].tolist() == obs["rnalearner_none_call"].tolist()


def test_a_lone_mouse_and_a_weak_call_are_abstained_from(linear: RunLayout):
    (lone,) = asked(linear, table(["FLT"])).obs.to_dict("records")
    assert lone["rnalearner_abstained"]
    assert "a cohort of 1 is too small to centre by: 4 are needed" in lone["rnalearner_reason"]
    sure = asked(linear, table(NEW), min_confidence=1.0).obs
    assert sure["rnalearner_abstained"].any()
    assert sure["rnalearner_reason"].str.contains("below 1.00").any()


def test_without_centring_a_lone_mouse_needs_no_cohort(tmp_path: Path):
    layout = RunLayout(tmp_path)
    learn(layout, cohort_centring=False)
    (lone,) = asked(layout, table(["FLT"], lean=0.0), min_confidence=0).obs.to_dict("records")
    assert lone["rnalearner_reason"] == ""


def test_a_table_that_lacks_the_genes_that_matter_is_abstained_from_though_it_has_nearly_all(
    linear: RunLayout,
):
    samples = table(NEW)
    lacking = samples[:, ~samples.var_names.isin(PLANTED)].copy()
    obs = asked(linear, lacking).obs
    assert (obs["rnalearner_coverage"] > 0.95).all()
    assert obs["rnalearner_abstained"].all()
    assert obs["rnalearner_reason"].str.contains("of the model's weight").all()
    assert asked(linear, lacking, min_coverage=0.0, min_confidence=0).obs["rnalearner_reason"].eq("").all()


def test_another_species_is_refused(linear: RunLayout):
    samples = table(NEW)
    with pytest.raises(GeneError, match=r"measures 40% of the 200 genes"):
        asked(linear, samples[:, :80].copy())


def test_a_damaged_classifier_and_one_of_other_genes_than_the_encoder_are_refused(
    both: RunLayout, tmp_path: Path
):
    copy = RunLayout(shutil.copytree(both.root, tmp_path / "copy"))
    weights = copy.linear_classifiers / TASK.name / MODEL / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        asked(copy, table(NEW))
    others = GeneSet(IDS[:-1])
    LinearIndex({TASK.name: CLASSES}, PREPROCESSING, LinearConfig(), others).save(copy.linear_classifiers)
    with pytest.raises(CheckpointError, match="are of different genes or classes"):
        asked(copy, table(NEW))


def test_an_encoder_is_not_asked_where_there_is_none(linear: RunLayout):
    with pytest.raises(RecipeError, match="has no encoder classifiers"):
        asked(linear, table(NEW), method="encoder")


def test_each_cohort_is_a_table_of_its_own(linear: RunLayout):
    """The same mice beside others get other probabilities, because the cohort's mean is another."""
    alone = asked(linear, table(NEW)).obs["rnalearner_probability_FLT"].to_numpy()
    more = asked(linear, table([*NEW, *["FLT"] * 10])).obs["rnalearner_probability_FLT"].to_numpy()[:10]
    assert np.abs(alone - more).max() > 1e-6
