"""The linear phase on the smoke recipe's simulated compendium, with its neighbours; no Ray, no encoder."""

import json
import shutil
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from jobs.linear import has_guide
from jobs.options import resolved
from jobs.run import needed, run_verb
from rnalearner.config import RunConfig, load_recipe
from rnalearner.counts.recount3 import Recount3Source
from rnalearner.errors import CheckpointError, LeakError, RecipeError
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.layout import PublishedModel, RunLayout

RECIPE = Path(__file__).resolve().parents[2] / "jobs" / "recipes" / "smoke.toml"
TEST = "SRP900013"


def say_nothing(label, done, total, note="", figures=None):
    pass


def run(verb: str, config: RunConfig, layout: RunLayout, **options: bool) -> dict[str, Any]:
    return run_verb(verb, config, layout, say_nothing, **options)


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_recipe(RECIPE, {"finetune.arms": []})


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> RunLayout:
    layout = RunLayout(tmp_path_factory.mktemp("linear") / "run")
    assert list(run("report", config, layout, with_needs=True)) == ["ingest", "genes", "linear", "report"]
    return layout


def test_a_run_of_the_linear_model_needs_no_encoder_and_no_ray(layout: RunLayout):
    runs = pd.read_csv(layout.linear("runs"))
    assert runs["guided"].all()
    assert (runs["test_auroc"] > 0.9).all()
    assert len(pd.read_csv(layout.linear("rivals"))) == 12
    genes = pd.read_csv(layout.linear("genes"))
    assert genes["share"].sum() == pytest.approx(1)
    assert genes["guide"].notna().any()
    predictions = pd.read_csv(layout.linear("predictions"))
    assert predictions["split"].value_counts().to_dict() == {"train": 12, "validation": 12, "test": 12}
    summary = json.loads((layout.report / "summary.json").read_text())
    assert summary["tasks"]["flight_a"]["guided_linear"]["guided"]
    assert "Guided linear model: on flight_a" in summary["verdict"][3]


def test_twelve_mice_and_no_second_study_are_held_out_in_turn_and_reported(config: RunConfig, tmp_path: Path):
    alone = config.tasks[0].model_copy(update={"validation": None, "test": None})
    layout = RunLayout(tmp_path / "run")
    run("report", config.model_copy(update={"tasks": (alone,)}), layout, with_needs=True)
    predictions = pd.read_csv(layout.linear("predictions"))
    assert predictions["split"].value_counts().to_dict() == {"train": 12, "held_out": 12}
    rivals = pd.read_csv(layout.linear("rivals"))
    assert (rivals["split"] == "held_out").all()
    task = json.loads((layout.report / "summary.json").read_text())["tasks"]["flight_a"]
    assert (task["scored_on"], task["n_test"]) == ("held out in turn", 12)
    runs = pd.read_csv(layout.linear("runs"))
    assert task["guided_linear"]["test_auroc"] == pytest.approx(runs["held_out_auroc"].item())
    rows = pd.read_csv(layout.linear("predictions")).query("split == 'held_out'")
    obs = anndata.read_h5ad(layout.report / "predictions.h5ad").obs
    assert obs["sample"].tolist() == rows["sample"].tolist()
    assert {path.name for path in layout.report_figures.iterdir()} == {
        *("accuracy.svg", "roc-0.svg", "calibration-0.svg", "figures.json")
    }
    told = json.loads(layout.report_answers.read_text())["tasks"]["flight_a"]
    assert [sample["probability"][1] for sample in told["samples"]] == pytest.approx(rows["p1"].tolist())
    assert told["scores"][0]["auroc"] == task["guided_linear"]["auroc"]


def test_it_does_nothing_twice_and_runs_again_with_another_setting(layout: RunLayout, config: RunConfig):
    first = run("linear", config, layout)["linear"]
    assert run("linear", config, layout)["linear"]["made"] == first["made"]
    other = RunLayout(Path(shutil.copytree(layout.root, layout.root.parent / "other")))
    centred = config.linear.model_copy(update={"cohort_centring": not config.linear.cohort_centring})
    changed = run("linear", config.model_copy(update={"linear": centred}), other)["linear"]
    assert changed["made"] != first["made"]


def test_new_samples_are_asked_in_one_more_command(layout: RunLayout, tmp_path: Path):
    samples = Recount3Source(layout.simulated, (), ()).read(TEST)
    counts = pd.DataFrame(samples.layers["counts"].T, index=samples.var_names, columns=samples.obs_names)
    counts.to_csv(tmp_path / "new.csv")
    given = {"predict.run": layout.root, "predict.table": tmp_path / "new.csv"}
    figures = run("predict", load_recipe(None, given), RunLayout(tmp_path / "asked"))["predict"]["figures"]
    assert (figures["method"], figures["arm"], figures["samples"]) == ("linear", "linear", 12)
    told = json.loads(RunLayout(tmp_path / "asked").predict_answers.read_text())["tasks"]["flight_a"]
    in_report = json.loads(layout.report_answers.read_text())["tasks"]["flight_a"]
    assert told.keys() == in_report.keys()
    for new, known in zip(told["samples"], in_report["samples"], strict=True):
        assert new["probability"] == pytest.approx(known["probability"], abs=1e-6)
        assert [new[name] for name in ("sample", "call", "abstained", "reason", "label")] == [
            *(known[name] for name in ("sample", "call", "abstained", "reason")),
            None,
        ]
    assert told["genes"] == in_report["genes"]
    assert (told["scored_on"], told["scores"]) == (None, [])
    obs = anndata.read_h5ad(tmp_path / "asked" / figures["files"][0]).obs
    in_run = pd.read_csv(layout.linear("predictions")).query("split == 'test'").set_index("sample")
    np.testing.assert_allclose(obs["rnalearner_probability_FLT"], in_run.loc[obs.index, "p1"], atol=1e-6)
    with pytest.raises(RecipeError, match="no encoder classifiers"):
        run("predict", load_recipe(None, given | {"predict.method": "encoder"}), RunLayout(tmp_path / "b"))


def test_without_an_arm_there_is_nothing_to_fine_tune_or_tune(layout: RunLayout, config: RunConfig):
    assert "finetune" not in needed("report", config)
    with pytest.raises(RecipeError, match=r"finetune\.arms: names no arm to tune"):
        needed("tune", config)


@pytest.mark.parametrize(
    ("options", "guided"),
    [
        ({}, True),
        ({"linear.guide": False}, False),
        ({"data.source": "tables", "data.tables": [{"study": "SRP900011", "path": "a.csv"}]}, False),
        ({"data.source": "tables", "data.tables": [{"study": "another", "path": "a.csv"}]}, True),
        ({"data.source": "tables", "data.osdr": ["OSD-1"]}, True),
        ({"model.path": "nowhere"}, False),
    ],
    ids=["corpus", "unwanted", "tables of the task", "tables beside it", "osdr", "a model without one"],
)
def test_it_is_guided_where_there_is_something_to_learn_a_guide_from(options: dict[str, Any], guided: bool):
    config = load_recipe(RECIPE, options)
    assert has_guide(config) is guided
    assert ("genes" in needed("linear", config)) is guided


@pytest.fixture
def model(layout: RunLayout, config: RunConfig, tmp_path: Path) -> PublishedModel:
    """As much of a published model as a linear run reads."""
    model = PublishedModel(tmp_path / "model")
    shutil.copytree(layout.gene_guide, model.gene_guide)
    genes = (layout.linear_classifiers / "genes.txt").read_text().split()
    model.genes.write_text("\n".join(genes[:40]) + "\n")
    sizes = config.model.model_dump(mode="json", exclude={"path"})
    scale = config.preprocessing.model_dump(mode="json")
    model.card.write_text(json.dumps({"id": "toy", "model": sizes, "preprocessing": scale}))
    return model


def started(config: RunConfig, model: PublishedModel, folder: Path) -> RunConfig:
    recipe = folder / "recipe.json"
    recipe.write_text(config.model_dump_json())
    return resolved([str(recipe), "--model.path", str(model.root)], None)


def test_a_published_models_gene_guide_is_used_on_its_genes(
    model: PublishedModel, config: RunConfig, tmp_path: Path
):
    layout = RunLayout(tmp_path / "run")
    markers = run("linear", started(config, model, tmp_path), layout, with_needs=True)
    assert list(markers) == ["ingest", "genes", "linear"]
    assert len((layout.linear_classifiers / "genes.txt").read_text().split()) == 40
    known = GeneGuide.load(model.gene_guide)
    assert markers["linear"]["figures"]["guide"].startswith(known.meta["strategy"])
    table = pd.read_csv(layout.linear("genes")).dropna(subset="guide")
    said = dict(zip(known.genes, known.guide_g, strict=True))
    assert table["guide"].tolist() == pytest.approx([said[gene] for gene in table["gene"]])


def test_a_guide_that_learned_from_the_test_is_a_leak(
    model: PublishedModel, config: RunConfig, tmp_path: Path
):
    guide = GeneGuide.load(model.gene_guide)
    guide.meta["studies"].append(TEST)
    guide.save(model.gene_guide)
    with pytest.raises(LeakError, match=f"gene guide: flight_a: .* the test's study, {TEST}"):
        run("linear", started(config, model, tmp_path), RunLayout(tmp_path / "run"), with_needs=True)
    data = config.data.model_copy(update={"allow_leak": True})
    allowed = started(config.model_copy(update={"data": data}), model, tmp_path)
    figures = run("linear", allowed, RunLayout(tmp_path / "told"), with_needs=True)["linear"]["figures"]
    assert len(figures["leaks"]) == 1


def test_a_damaged_gene_guide_is_refused(model: PublishedModel, config: RunConfig, tmp_path: Path):
    weights = model.gene_guide / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        run("linear", started(config, model, tmp_path), RunLayout(tmp_path / "run"), with_needs=True)
