import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.cli import VERBS

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("run", "--help"),
        ("benchmark", "--help"),
        ("benchmark", "prepare", "--help"),
        ("guide", "merge", "--help"),
        ("--version",),
        ("fields",),
    ],
)
def test_help_needs_no_heavy_library(cli: Cli, environment: dict[str, str], tmp_path: Path, words):
    environment["PYTHONPROFILEIMPORTTIME"] = "1"
    try:
        done = cli(*words, cwd=tmp_path)
    finally:
        del environment["PYTHONPROFILEIMPORTTIME"]
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "typer" in imported
    assert not imported & {"torch", "ray", "pandas", "numpy", "anndata", "sklearn", "matplotlib"}


def test_help_lists_every_verb(cli: Cli, tmp_path: Path):
    told = cli("--help", cwd=tmp_path).stdout
    assert all(verb in told for verb in [*VERBS, "fields"])


def test_fields_are_told_with_their_default_and_alias(cli: Cli, tmp_path: Path):
    told = cli("fields", "pretrain", cwd=tmp_path).stdout
    assert "pretrain.max_steps = 1000 (--steps)\n    Steps of the optimiser at most." in told
    assert "finetune" not in told
    rows = json.loads(cli("fields", "--json", cwd=tmp_path).stdout)
    assert rows["finetune.seeds"]["default"] == "5"
    assert rows["finetune.seeds"]["alias"] == "seeds"
    assert all(row["default"] != "PydanticUndefined" for row in rows.values())


@pytest.mark.parametrize("words", [("nonsense",), ("--nonsense",), ("run", "--out"), ("benchmark",)])
def test_wrong_usage_ends_with_2(cli: Cli, tmp_path: Path, words):
    done = cli(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("run", "absent.toml"), ("absent.toml", "no such recipe")),
        (("run", "."), (".", "cannot be read")),
        (("run", "--step", "3"), ("--step", "no option")),
        (("run", "--steps"), ("--steps", "has no value")),
        (("pretrain", "--steps", "0"), ("pretrain.max_steps = 0", "greater than or equal to 1")),
        (("ingest", "--data.source", "tables"), ("data.source", "no table is listed")),
        (("ingest", "--data.source", "recount3", "--root", "nowhere"), ("nowhere", "gene file")),
        (("finetune",), ("finetune needs scout", "rnalearner scout")),
        (("report", "--out", "elsewhere"), ("report needs linear", "elsewhere")),
    ],
)
def test_a_recipe_or_option_that_makes_no_sense_ends_with_3_and_one_sentence(
    cli: Cli, tmp_path: Path, words, parts
):
    done = cli(*words, cwd=tmp_path)
    assert done.returncode == 3
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert line.endswith(".")
    assert all(part in line for part in parts), line
    assert done.stdout == ""
    assert not list(tmp_path.rglob("phase.json"))


def test_a_run_without_its_recipe_takes_its_own(cli: Cli, tmp_path: Path):
    (tmp_path / "r.toml").write_text("name = 'mine'\n[pretrain]\nmax_steps = 7\n")
    assert cli("report", "r.toml", cwd=tmp_path).returncode == 3
    stored = tmp_path / "runs" / "mine" / "recipe.json"
    assert json.loads(stored.read_text())["pretrain"]["max_steps"] == 7
    assert cli("report", "--out", "runs/mine", "--pretrain.batch_size", "3", cwd=tmp_path).returncode == 3
    resolved = json.loads(stored.read_text())
    assert (resolved["pretrain"]["max_steps"], resolved["pretrain"]["batch_size"]) == (7, 3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(cli: Cli, tmp_path: Path):
    (tmp_path / "closed").mkdir(mode=0o500)
    done = cli("ingest", "--out", "closed/run", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_an_output_that_is_a_file_is_one_sentence(cli: Cli, tmp_path: Path):
    (tmp_path / "taken").write_text("")
    done = cli("ingest", "--out", "taken", cwd=tmp_path)
    assert done.returncode in (1, 3)
    (line,) = done.stderr.strip().splitlines()
    assert "taken" in line
