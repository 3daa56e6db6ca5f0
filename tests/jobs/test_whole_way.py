"""From count tables to a downloaded prediction: the README's five commands, over real HTTP and a real Ray."""

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import anndata
import pandas as pd
import pytest

from tests.jobs.conftest import Tables

Cli = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--settings.epochs", "5", "--settings.seeds", "1", "--settings.learning_rate", "0.003")


def uploaded(told: Callable[..., str], *words: object) -> str:
    """Upload a table; its id."""
    dataset: str = json.loads(told("data", "upload", *words, "--json"))["id"]
    return dataset


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_five_commands_lead_from_a_table_to_predictions(
    cli: Cli, server: subprocess.Popen[str], tables: Tables, tmp_path: Path
):
    def told(*words: object) -> str:
        done = cli(*words, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    # The first command is `rnalearner serve`; it wrote the key that these use.
    assert "READY" in told("data", "upload", tables.labelled, "--labels", tables.sheet, "--name", "old")
    told("job", "submit", "finetune", "--train", "old", "--label", "flight", "--watch", *QUICK)
    told("data", "upload", tables.new, "--name", "new")
    told("job", "submit", "predict", "--classifier", "flight", "--dataset", "new", "--out", "found")

    predictions = anndata.read_h5ad(tmp_path / "found" / "predict" / "predictions.h5ad")
    as_csv = pd.read_csv(tmp_path / "found" / "predict" / "predictions.csv", index_col=0)
    assert predictions.n_obs == len(as_csv) > 1
    probability = predictions.obs.filter(regex="^rnalearner_probability_")
    assert probability.shape[1] == 2
    assert probability.sum(axis=1).between(0.999, 1.001).all()
    assert predictions.obs["rnalearner_abstained"].dtype == bool
    assert (predictions.obs["rnalearner_coverage"] > 0.9).all()


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_the_linear_model_takes_the_same_way_without_an_encoder(
    cli: Cli, server: subprocess.Popen[str], simulated: Tables, tmp_path: Path
):
    def told(*words: object) -> str:
        done = cli(*words, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    # By their ids: bytes that are there already keep the name that they had.
    lab = uploaded(told, simulated.labelled, "--labels", simulated.sheet)
    fresh = uploaded(told, simulated.new)
    told("job", "submit", "linear", "--train", lab, "--label", "linear", "--watch", "--out", "made")
    told("job", "submit", "predict", "--classifier", "linear", "--dataset", fresh, "--out", "found")

    genes = pd.read_csv(tmp_path / "made" / "linear" / "genes.csv")
    assert len(genes) > 0
    assert "no gene guide" in (tmp_path / "made" / "report" / "index.html").read_text()
    info = anndata.read_h5ad(tmp_path / "found" / "predict" / "predictions.h5ad").uns["rnalearner"]
    assert (json.loads(info)["method"], json.loads(info)["calibrated"]) == ("linear", True)


@pytest.mark.ray
def test_a_wrong_key_ends_with_4_and_an_absent_server_with_5(
    cli: Cli, server: subprocess.Popen[str], environment: dict[str, str], tmp_path: Path
):
    environment["RNALEARNER_KEY"] = "rnal_none_wrong"
    try:
        assert cli("data", "list", cwd=tmp_path).returncode == 4
    finally:
        del environment["RNALEARNER_KEY"]
    absent = cli("data", "list", "--server", "http://127.0.0.1:9", cwd=tmp_path)
    assert (absent.returncode, absent.stderr.count("\n")) == (5, 1)
    assert "does not answer" in absent.stderr
    assert cli("job", "show", "nothing-like-this", cwd=tmp_path).returncode == 3
    assert json.loads(cli("job", "list", "--json", cwd=tmp_path).stdout)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_25_jobs_asked_for_at_once_are_all_carried_out_one_after_the_other_in_their_order(
    cli: Cli, server: subprocess.Popen[str], simulated: Tables, environment: dict[str, str], tmp_path: Path
):
    many = uploaded(
        lambda *words: cli(*words, cwd=tmp_path).stdout, simulated.labelled, "--labels", simulated.sheet
    )
    words = (
        "job",
        "submit",
        "finetune",
        "--train",
        many,
        "--settings.epochs",
        "2",
        "--settings.seeds",
        "1",
    )
    with ThreadPoolExecutor(25) as crowd:
        asked = [crowd.submit(cli, *words, "--json", cwd=tmp_path, timeout=120) for _ in range(25)]
    ids = {json.loads(done.result().stdout)["id"] for done in asked}
    assert len(ids) == 25

    while True:
        listed = json.loads(cli("job", "list", "--limit", "200", "--json", cwd=tmp_path).stdout)
        jobs = [job for job in reversed(listed) if job["id"] in ids]  # the first one first
        if all(job["status"] in ("SUCCEEDED", "FAILED", "STOPPED") for job in jobs):
            break
        time.sleep(2)

    assert [job["status"] for job in jobs] == ["SUCCEEDED"] * 25
    assert all(job["attempt"] == 1 for job in jobs)
    # One at a time is what this gateway was told: none began before the one that came before had ended.
    assert all(after["started"] >= before["ended"] for before, after in pairwise(jobs))
