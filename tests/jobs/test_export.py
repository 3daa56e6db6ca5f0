"""A model goes out of one run and into another; nothing here trains."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from jobs.adopt import adopt_checkpoint, adopt_gene_guide, checked_model, started_from
from jobs.export import MOST_GENES, TOLD, add_model, export
from jobs.run import needed, run_verb
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import CheckpointError, InputError, RecipeError
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.guide.scaling import Guide
from rnalearner.layout import PublishedModel, RunLayout
from rnalearner.model.build import identity, new_encoder, save_encoder
from rnalearner.model.encoder import random_gene_vectors
from rnalearner.publish import sha256_of, write_json, write_text
from rnalearner.shards.read import ShardStore
from rnalearner.spreadsheet import read_csv, write_csv

RECIPE = Path(__file__).resolve().parents[2] / "jobs" / "recipes" / "smoke.toml"


def say_nothing(label, done, total, note="", figures=None):
    pass


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_recipe(RECIPE, {"export.name": "toy", "export.licence": "CC0"})


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, config: RunConfig) -> RunLayout:
    """A run whose Phases I and II left an untrained encoder and a guide of halves; its gene guide is real."""
    layout = RunLayout(tmp_path_factory.mktemp("export") / "run")
    run_verb("genes", config, layout, say_nothing, with_needs=True)
    store = ShardStore.open(layout.shards)
    meta = identity(config.model, store.preprocessing, store.gene_set)
    vectors_gd = random_gene_vectors(len(store.gene_set), config.model.dim, torch.Generator().manual_seed(0))
    encoder = new_encoder(config.model, store.preprocessing, vectors_gd, seed=0)
    base = save_encoder(layout.base_checkpoint, encoder, meta)
    values = {name: torch.full_like(p, 0.5) for name, p in encoder.train_only(1).items()}
    made = {"strategy": "cluster_pairs", "measure": "squared", "scaling": "per_tensor", "trained_blocks": 1}
    Guide(values, meta | made | {"base_checkpoint": base, "scouts": [0, 2]}).save(layout.guide)
    metrics = {"step": [10, 20], "train_loss": 2.0, "valid_loss": [2.2, 2.0], "valid_accuracy": [0.2, 0.3]}
    trivial = {"commonest_accuracy": 0.1, "mode_accuracy": 0.25, "commonest_loss": 2.4, "mode_loss": 2.1}
    pd.DataFrame(metrics | trivial | {"learning_rate": 1e-3}).to_csv(layout.pretrain_metrics, index=False)
    scouts = {"scout_id": [0, 1, 2], "name": ["a", "b", "c"], "accuracy": [0.9, None, 0.7], "moved": 0.1}
    counts = {"n_train": 9, "n_held": 3, "epochs": 2, "steps": 4, "loss": 0.1, "converged": True}
    pd.DataFrame(scouts | counts | {"failed": ["", "lost", ""]}).to_csv(layout.scouts, index=False)
    told = {"parameters": 9, "moved": 0.12345678, "share": 1.0, "agreement": 0.5}
    write_csv(layout.guide_table("layers"), pd.DataFrame([{"layer": "block 1, attention"} | told]))
    tensor = {"layer": "block 1, attention", "tensor": "=to_q"}
    write_csv(layout.guide_table("tensors"), pd.DataFrame([tensor | told]))
    many = {"gene": [f"G{number}" for number in range(MOST_GENES + 5)], "moved": 1 / 3, "times_median": 1.0}
    write_csv(layout.guide_table("genes"), pd.DataFrame(many))
    marker = {"phase": "pretrain", "seconds": 1.0, "figures": {"validation_samples": 32}}
    write_json(layout.marker("pretrain"), marker)
    return layout


@pytest.fixture(scope="module")
def model(config: RunConfig, layout: RunLayout) -> PublishedModel:
    figures = export(config, layout, say_nothing)
    assert figures["model"] == json.loads(layout.exported.card.read_text())["id"]
    assert figures["path"] == str(layout.exported.root)
    return layout.exported


@pytest.fixture
def copy(model: PublishedModel, tmp_path: Path) -> PublishedModel:
    """To be damaged."""
    return PublishedModel(shutil.copytree(model.root, tmp_path / "copy"))


def files_of(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_card_tells_what_the_model_is_made_of(
    model: PublishedModel, config: RunConfig, layout: RunLayout
):
    card = json.loads(model.card.read_text())
    store = ShardStore.open(layout.shards)
    assert (card["name"], card["licence"]) == ("toy", "CC0")
    assert len(card["id"]) == 12
    assert card["gene_set"] == {
        "n": 60,
        "sha256": store.gene_set.sha256,
        "first": list(store.gene_set.ids[:3]),
    }
    assert tuple(model.genes.read_text().split()) == store.gene_set.ids
    assert card["preprocessing"] == config.preprocessing.model_dump()
    assert card["model"] == config.model.model_dump(exclude={"path"})
    assert not set(card["corpus"]["studies"]) & set(config.tasks[0].studies)
    assert card["corpus"]["left_out"][config.tasks[0].test] == "a task's study"
    assert card["scores"]["encoder"] == {"loss": 2.0, "accuracy": 0.3}
    assert card["scores"]["gene_own_bins"] == {"loss": 2.1, "accuracy": 0.25}
    assert (card["scores"]["step"], card["scores"]["held_out_samples"]) == (20, 32)
    assert [scout["name"] for scout in card["guide"]["scouts"]] == ["a", "c"]
    assert card["guide"]["mean_accuracy"] == pytest.approx(0.8)
    assert card["base_checkpoint_sha256"] == sha256_of(model.base_checkpoint / "weights.safetensors")
    assert card["guide_sha256"] == sha256_of(model.guide / "weights.safetensors")
    assert card["gene_guide_sha256"] == sha256_of(model.gene_guide / "weights.safetensors")
    assert card["gene_guide"]["strategy"] == "inside_study"
    assert card["gene_guide"]["studies"] == card["corpus"]["studies"]
    assert card["recipe_sha256"] == sha256_of(layout.recipe)


def test_a_model_can_be_looked_at_without_its_weights(model: PublishedModel, layout: RunLayout):
    known = GeneGuide.load(layout.gene_guide)
    table = read_csv(model.gene_guide_table, keep_default_na=False)
    assert list(table) == ["gene", "symbol", "guide", "n_studies"]
    assert len(table) == len(known.genes)
    assert table["guide"].is_monotonic_decreasing
    said = dict(zip(known.genes, known.guide_g, strict=True))
    np.testing.assert_allclose(table["guide"], [said[gene] for gene in table["gene"]], rtol=1e-5)
    assert (table["n_studies"] > 0).any()
    layers = pd.read_csv(model.guide_table("layers"))
    assert layers["layer"].tolist() == ["block 1, attention"]
    assert pd.read_csv(model.guide_table("tensors"))["tensor"].tolist() == ["'=to_q"]
    genes = pd.read_csv(model.guide_table("genes"))
    assert (len(genes), genes["gene"].iloc[0]) == (MOST_GENES, "G0")


def test_a_model_of_a_run_without_tables_has_none_and_is_whole(
    config: RunConfig, layout: RunLayout, tmp_path: Path
):
    other = RunLayout(shutil.copytree(layout.root, tmp_path / "run"))
    for name in TOLD:
        other.guide_table(name).unlink()
    export(config, other, say_nothing)
    checked_model(other.exported)
    assert not other.exported.guide_table("layers").exists()
    assert other.exported.gene_guide_table.exists()


def test_a_model_of_an_older_version_gets_the_table_of_its_gene_guide(copy: PublishedModel, tmp_path: Path):
    for path in copy.root.glob("*.csv"):
        path.unlink()
    added = PublishedModel(add_model(copy.root, tmp_path / "models", "osd"))
    assert [path.name for path in added.root.glob("*.csv")] == ["gene_guide.csv"]


def test_a_table_that_somebody_has_put_into_a_model_does_not_travel_as_it_is(
    copy: PublishedModel, tmp_path: Path
):
    table = read_csv(copy.gene_guide_table, keep_default_na=False)
    table.assign(symbol="=1+1", guide=0.0, more="x").to_csv(copy.gene_guide_table, index=False)
    added = PublishedModel(add_model(copy.root, tmp_path / "models", "osd"))
    found = pd.read_csv(added.gene_guide_table)
    assert list(found) == ["gene", "symbol", "guide", "n_studies"]
    assert (found["symbol"] == "'=1+1").all()
    assert (found["guide"] > 0).any()
    copy.guide_table("layers").write_text("something else\n")
    with pytest.raises(InputError, match=r"guide_layers\.csv: lacks the column"):
        add_model(copy.root, tmp_path / "models", "other")
    assert not (tmp_path / "models" / "other").exists()


def test_the_card_claims_no_more_than_was_shown(model: PublishedModel):
    claims = " ".join(json.loads(model.card.read_text())["claims"])
    assert "0.100 better than the better of these two" in claims
    assert "2 scouts were trained" in claims
    assert "80 % on samples held out" in claims
    assert "not shown to help on few-shot tasks" in claims
    assert "simulated" in claims


def test_a_model_no_better_than_trivial_says_so(model: PublishedModel):
    from rnalearner.report.card import claims

    card = json.loads(model.card.read_text())
    card["scores"]["encoder"]["loss"] = 2.2
    assert "no better than predictors that never look at the sample" in claims(card)[0]
    assert claims(card | {"scores": None})[0].startswith("Nothing is known")


def test_without_the_guide_only_phase_one_is_needed(config: RunConfig, layout: RunLayout, tmp_path: Path):
    plain = RunConfig.model_validate(config.model_dump() | {"export": {"guide": False}})
    assert "scout" in needed("export", config)
    assert "scout" not in needed("export", plain)
    other = RunLayout(shutil.copytree(layout.root, tmp_path / "run"))
    shutil.rmtree(other.phase("scout"))
    assert export(plain, other, say_nothing)["guide"] is False
    card, _ = checked_model(other.exported)
    assert (card["guide"], card["guide_sha256"]) == (None, None)
    assert not other.exported.guide.exists()


def test_without_the_gene_guide_no_gene_level_scout_is_needed(
    config: RunConfig, layout: RunLayout, tmp_path: Path
):
    plain = RunConfig.model_validate(config.model_dump() | {"export": {"gene_guide": False}})
    assert "genes" in needed("export", config)
    assert "genes" not in needed("export", plain)
    other = RunLayout(shutil.copytree(layout.root, tmp_path / "run"))
    shutil.rmtree(other.phase("genes"))
    assert export(plain, other, say_nothing)["gene_guide"] is False
    card, _ = checked_model(other.exported)
    assert (card["gene_guide"], card["gene_guide_sha256"]) == (None, None)
    asked = plain.model_copy(update={"model": plain.model.model_copy(update={"path": other.exported.root})})
    with pytest.raises(CheckpointError, match="has no gene guide"):
        adopt_gene_guide(asked, RunLayout(tmp_path / "new"))


def test_a_run_that_starts_from_a_model_gets_its_very_bytes(
    model: PublishedModel, config: RunConfig, tmp_path: Path
):
    asked = {"model": {"path": model.root}, "preprocessing": {"n_bins": 9, "min_expressed_genes": 20}}
    started = started_from(RunConfig.model_validate(config.model_dump() | asked))
    assert (started.model.dim, started.preprocessing.n_bins) == (16, 20)
    layout = RunLayout(tmp_path / "run")
    markers = run_verb("scout", started, layout, say_nothing, with_needs=True)
    assert list(markers) == ["ingest", "pretrain", "scout"]
    assert files_of(layout.base_checkpoint) == files_of(model.base_checkpoint)
    assert files_of(layout.guide) == files_of(model.guide)
    run_verb("genes", started, layout, say_nothing)
    assert files_of(layout.gene_guide) == files_of(model.gene_guide)
    assert ShardStore.open(layout.shards).gene_set.ids == tuple(model.genes.read_text().split())
    with pytest.raises(RecipeError, match="started from a published model"):
        export(started, layout, say_nothing)


DAMAGE = {
    "weights": ("base_checkpoint/weights.safetensors", "do not match their checksum"),
    "guide": ("guide/weights.safetensors", "do not match their checksum"),
    "gene guide": ("gene_guide/weights.safetensors", "do not match their checksum"),
    "manifest": ("base_checkpoint/checkpoint.json", "checkpoint"),
    "genes": ("genes.txt", "genes.txt: line 1|gene set"),
    "card": ("card.json", "is no published model"),
}


@pytest.mark.parametrize("part", DAMAGE)
def test_a_damaged_model_is_refused(copy: PublishedModel, config: RunConfig, tmp_path: Path, part: str):
    name, said = DAMAGE[part]
    data = bytearray((copy.root / name).read_bytes())
    data[len(data) // 2 if name.endswith("safetensors") else 0] ^= 1
    (copy.root / name).write_bytes(data)
    asked = config.model_copy(update={"model": config.model.model_copy(update={"path": copy.root})})
    with pytest.raises(CheckpointError, match=said):
        adopt_checkpoint(asked, RunLayout(tmp_path / "run"))
    assert not RunLayout(tmp_path / "run").base_checkpoint.exists()
    with pytest.raises(CheckpointError, match=said):
        add_model(copy.root, tmp_path / "models", "toy")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"id": "0" * 12}, "its id is not"),
        ({"guide_sha256": "0" * 64}, "its id is not"),
        ({"gene_set": {"sha256": "0" * 64}}, "its gene set is not"),
        ({"preprocessing": {"n_bins": 7}}, "its n bins is 20, not 7"),
        ({"model": {"dim": "wide"}}, "is not a whole card"),
        ({"gene_set": {}}, "is not a whole card"),
    ],
    ids=["id", "guide", "genes", "scale", "sizes", "half a card"],
)
def test_a_card_of_something_else_is_refused(copy: PublishedModel, changed: dict, said: str):
    card = json.loads(copy.card.read_text())
    write_text(copy.card, json.dumps(card | changed))
    with pytest.raises(CheckpointError, match=said):
        checked_model(copy)


def test_a_model_whose_guide_was_taken_away_is_refused(copy: PublishedModel):
    shutil.rmtree(copy.guide)
    with pytest.raises(CheckpointError, match="its guide is not the one on its card"):
        checked_model(copy)


def test_a_model_is_added_to_a_gateway_once_and_whole(
    model: PublishedModel, copy: PublishedModel, tmp_path: Path
):
    (copy.root / "notes.txt").write_text("mine")
    added = add_model(copy.root, tmp_path / "models", "osd")
    assert added == tmp_path / "models" / "osd"
    assert files_of(added) == files_of(model.root)
    assert add_model(model.root, tmp_path / "models", "osd") == added
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["osd"]


def test_a_name_that_is_taken_or_cannot_be_one_is_refused(
    model: PublishedModel, copy: PublishedModel, tmp_path: Path
):
    add_model(model.root, tmp_path / "models", "osd")
    write_text(copy.card, json.dumps(json.loads(copy.card.read_text()) | {"name": "another"}))
    with pytest.raises(RecipeError, match="is another model already"):
        add_model(copy.root, tmp_path / "models", "osd")
    for name in ("../osd", "", "a b", "job-0123"):
        with pytest.raises(RecipeError, match="model"):
            add_model(model.root, tmp_path / "models", name)


def test_a_folder_that_is_no_model_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match="is no published model"):
        add_model(tmp_path, tmp_path / "models", "osd")
