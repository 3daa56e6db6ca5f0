"""From one labelled table to calls of new samples, by the command that users type."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from jobs.run import run_verb
from rnalearner.config import load_recipe
from rnalearner.errors import InputError
from rnalearner.layout import RunLayout

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

Cli = Callable[..., subprocess.CompletedProcess[str]]
IDS = [f"ENSMUSG{number:011d}" for number in range(1, 41)]
SYMBOLS = [f"Gene{number}" for number in range(1, 41)]
FILES = ("run", "table", "sheet", "genes")
TISSUES = ("liver", "brain", "heart")
RECIPE = """
name = "tissues"
preprocessing = { min_expressed_genes = 1 }
model = { dim = 8, depth = 2, heads = 2, dim_head = 4, n_features = 8 }
finetune = { arms = ["none"], seeds = 2, epochs = 15, learning_rate = 3e-3, restart_epochs = 15 }
ray = { num_cpus = 2 }
[data]
source = "tables"
tables = [{ study = "mine", path = "train.csv", sheet = "train_sheet.csv" }]
[[tasks]]
name = "tissue"
train = "mine"
column = "tissue_of_origin"
groups = ["liver", "brain", "heart"]
"""


def write(folder: Path, name: str, n: int, seed: int) -> list[str]:
    """A table of n samples and its sheet; a sample's tissue makes twelve genes four times louder."""
    rng = np.random.default_rng(seed)
    labels = [TISSUES[sample % 3] for sample in range(n)]
    log2_ng = np.linspace(5, 8, 40) + rng.normal(0, 0.2, 40) + rng.normal(0, 0.2, (n, 40))
    for sample in range(n):
        log2_ng[sample, 12 * (sample % 3) : 12 * (sample % 3) + 12] += 2
    samples = [f"{name}{sample}" for sample in range(n)]
    counts = pd.DataFrame(rng.poisson(2**log2_ng).T, index=IDS, columns=samples)
    counts.to_csv(folder / f"{name}.csv", index_label="gene")
    sheet = pd.DataFrame({"sample": samples, "tissue_of_origin": labels, "note": "=1+1"})
    sheet.to_csv(folder / f"{name}_sheet.csv", index=False)
    return labels


@pytest.fixture(scope="module")
def folder(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables, and a run that fine-tuned on one of them: no validation, no test, no pretraining."""
    folder = tmp_path_factory.mktemp("tissues")
    write(folder, "train", 12, 1)
    write(folder, "new", 9, 2)
    (folder / "recipe.toml").write_text(RECIPE)
    done = cli("finetune", "recipe.toml", "--needs", "--out", "run", "--json", cwd=folder, timeout=200)
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["phases"]) == ["ingest", "finetune"]
    return folder


def ask(folder: Path, out: str, **options: str) -> dict[str, object]:
    """What `rnalearner predict` does after its words are read; returns the phase's marker."""
    given = {"predict.run": "run", **{f"predict.{name}": value for name, value in options.items()}}
    files = {name: folder / value for name, value in given.items() if name.split(".")[1] in FILES}
    config = load_recipe(None, given | files)
    markers = run_verb("predict", config, RunLayout(folder / out), lambda label, done, total, note="": None)
    return markers["predict"]


def test_one_labelled_table_is_enough_to_fine_tune(folder: Path):
    layout = RunLayout(folder / "run")
    runs = pd.read_csv(layout.finetune("runs"))
    assert (runs["train_accuracy"] == 1).all()
    assert runs[["validation_accuracy", "test_accuracy", "test_auroc", "test_brier"]].isna().all(axis=None)
    predictions = pd.read_csv(layout.finetune("predictions"))
    assert list(predictions.columns) == [
        *("task", "arm", "seed", "split", "sample", "subject", "study"),
        *("y", "call", "p0", "p1", "p2", "unseen_subject"),
    ]
    assert not layout.linear("rivals").exists()


def test_new_samples_are_called_in_every_format(cli: Cli, folder: Path):
    words = ("--run", "run", "--table", "new.csv", "--predict.sheet", "new_sheet.csv")
    done = cli("predict", *words, "--out", "asked", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["phases"]["predict"]["figures"]
    assert figures["samples"] == 9
    assert figures["calls"] == dict.fromkeys(TISSUES, 3)
    files = [folder / "asked" / file for file in figures["files"]]
    assert [file.name for file in files] == [f"predictions.{suffix}" for suffix in ("h5ad", "parquet", "csv")]
    obs = anndata.read_h5ad(files[0]).obs
    assert obs["rnalearner_call"].tolist() == obs["tissue_of_origin"].tolist()
    assert pd.read_parquet(files[1])["rnalearner_rival_call"].tolist() == obs["tissue_of_origin"].tolist()
    assert pd.read_csv(files[2])["note"].tolist() == ["'=1+1"] * 9


def test_the_linear_model_learns_from_the_same_table_and_becomes_the_default_answer(
    cli: Cli, folder: Path, tmp_path: Path
):
    """Without a corpus it is learned unguided; the encoder that was there stands beside it."""
    shutil.copytree(folder / "run", tmp_path / "run")
    done = cli("linear", "--out", tmp_path / "run", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["phases"]["linear"]["figures"]
    assert (figures["tasks"], figures["guide"]) == (1, None)
    genes = pd.read_csv(RunLayout(tmp_path / "run").linear("genes"))
    assert set(genes["class"]) == set(TISSUES)
    marker = ask(tmp_path, "asked", table=str(folder / "new.csv"))
    assert marker["figures"]["method"] == "linear"
    assert marker["figures"]["calls"] == dict.fromkeys(TISSUES, 3)
    obs = anndata.read_h5ad(tmp_path / "asked" / "predict" / "predictions.h5ad").obs
    assert (obs["rnalearner_none_call"] == obs["rnalearner_call"]).all()
    assert ask(tmp_path, "other", table=str(folder / "new.csv"), method="encoder")["figures"]["arm"] == "none"


def test_the_same_question_is_answered_once_and_a_changed_table_again(folder: Path):
    write(folder, "twice", 6, 3)
    first = ask(folder, "twice", table="twice.csv")
    assert ask(folder, "twice", table="twice.csv")["made"] == first["made"]
    write(folder, "twice", 6, 4)
    assert ask(folder, "twice", table="twice.csv")["made"] != first["made"]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"table": "new.csv", "run": "nowhere"}, ("nowhere", "no classifiers here")),
        ({"table": "new.csv", "task": "flight"}, ("predict.task", "'flight'", "tissue")),
        ({"table": "new.csv", "arm": "guided"}, ("predict.arm", "'guided'", "none")),
        ({"table": "absent.csv"}, ("absent.csv", "no such file")),
        ({}, ("predict.table", "is not given")),
        ({"table": "symbols.csv"}, ("symbols.csv", "predict.genes")),
        ({"table": "few.csv"}, ("predict.table", "45% of the 40 genes")),
        ({"table": "new.csv", "sheet": "train_sheet.csv"}, ("train_sheet.csv", "none of")),
    ],
    ids=["run", "task", "arm", "absent", "none", "symbols", "few", "sheet"],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(folder: Path, options, parts):
    counts = pd.read_csv(folder / "new.csv", index_col=0)
    counts.iloc[:18].to_csv(folder / "few.csv")
    counts.set_axis(SYMBOLS).to_csv(folder / "symbols.csv")
    with pytest.raises(InputError) as refused:
        ask(folder, "refused", **options)
    sentence = str(refused.value)
    assert all(part in sentence for part in parts), sentence
    assert "\n" not in sentence
    assert not RunLayout(folder / "refused").marker("predict").exists()


def test_symbols_are_known_by_the_table_of_genes(folder: Path):
    counts = pd.read_csv(folder / "new.csv", index_col=0)
    counts.set_axis(SYMBOLS).to_csv(folder / "symbols.csv", index_label="gene")
    pd.DataFrame({"ensembl": IDS, "symbol": SYMBOLS}).to_csv(folder / "genes.csv", index=False)
    marker = ask(folder, "by_symbol", table="symbols.csv", genes="genes.csv")
    assert marker["figures"]["calls"] == dict.fromkeys(TISSUES, 3)
