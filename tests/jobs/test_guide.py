"""`rnalearner guide`, on guides of a few parameters."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from jobs import guide
from rnalearner.config.scouting import Measure, ScoutingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError, InputError
from rnalearner.guide.controls import restricted
from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.layout import RunLayout
from rnalearner.publish import write_text
from rnalearner.report.guide_words import course, read_guide
from tests.jobs.conftest import Cli
from tests.rnalearner.report.conftest import GENES
from tests.rnalearner.report.toy_guide import BASE, NORM, QUERIES, RUN, toy_meta, toy_movement, write_guide
from tests.toy_corpus import write_toy_corpus

OTHER = "f" * 32


def said(*words: object) -> str:
    """What a verb prints; its errors are raised."""
    done = CliRunner().invoke(guide.app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def asked(*words: object) -> Any:
    return json.loads(said(*words, "--json"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_guide(RunLayout(tmp_path / "run"))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Two more scouts from the same base checkpoint, numbered as two of the first run's."""
    return write_guide(RunLayout(tmp_path / "other"), range(2), run=OTHER, seed=4)


def test_show_tells_where_a_guide_comes_from_how_it_converged_and_what_moved(run):
    told = said("show", run)
    for what in (
        f"Guide, version 4 (parent {'0' * 12}): 4 scouts of run {RUN[:12]}, from base checkpoint {'b' * 12}.",
        "Strategy cluster_pairs, seed 3, trained blocks 1; measure squared, weighing evenly,",
        "the version before: 0.5 at 2 scouts, 0.999 first at 3, 0.9995 at 4.",
        "block 1, attention 2 1 0.333 1",
        "final norm 2 1.41 0.667 0.5",
        "Its genes cannot be named",
    ):
        assert what in told, what


def test_a_run_with_its_shards_names_its_genes_with_their_symbols(tmp_path):
    layout = RunLayout(tmp_path / "run")
    genes = write_toy_corpus(layout.shards).gene_set.ids
    write_guide(layout, genes=genes)
    (tmp_path / "symbols.csv").write_text(f"ensembl,symbol\n{genes[0]},Gnai3\n")
    data = {"root": str(tmp_path), "genes": "symbols.csv"}
    write_text(layout.recipe, json.dumps({"data": data, "scouting": {"guide_agreement": 0.99}}))
    found = asked("show", layout.root)
    assert len(found["genes"]) == 10
    assert found["genes"][0] == {"gene": genes[0], "symbol": "Gnai3", "moved": 3.0, "times_median": 3.0}
    assert found["guide_agreement"] == 0.99
    told = said("show", layout.root)
    assert f"{genes[0]} Gnai3 3 3" in told
    assert "They have not reached 0.99 3 times in a row" in told


def test_shards_of_other_genes_name_nothing(run):
    write_toy_corpus(RunLayout(run).shards)
    assert asked("show", run)["genes"] == []


def test_a_movement_is_as_good_as_its_run(run):
    assert asked("show", RunLayout(run).movement) == asked("show", run)


@pytest.mark.parametrize(
    ("agreements", "least", "ends"),
    [
        ([None], 0.9, "no two versions of it here."),
        ([None, 0.5], 1.0, "before: 0.5 at 2 scouts."),
        ([None, 0.5, 0.95, 0.97], None, "0.5 at 2 scouts, 0.9 first at 3, 0.97 at 4."),
        ([None, 0.95, 0.95, 0.97], 0.95, "They reached 0.95 3 times in a row, where scouting stops."),
        ([None, 0.95, 0.9, 0.97], 0.95, "not reached 0.95 3 times in a row, where scouting stops."),
    ],
    ids=["one version", "two", "no recipe", "converged", "not converged"],
)  # fmt: skip
def test_the_course_of_the_versions_is_told_in_a_sentence(agreements, least, ends):
    versions = [{"scouts": n, "agreement": value} for n, value in enumerate(agreements, start=1)]
    assert course(versions, least).endswith(ends)


def test_compare_says_how_far_two_guides_agree_and_what_they_share(run, other):
    told = said("compare", run, other)
    assert f"{run}: 4 scouts, which moved 1.22 (root mean square)." in told  # sqrt((2^2 + 1 + 1) / 4)
    assert "Both began at one base checkpoint; they share no scouts." in told
    assert "Over parameters their ranks agree to 1.000" in told
    assert "Over genes their ranks agree to 1.000." in told
    assert asked("compare", run, run)["shared_scouts"] == 4


@pytest.mark.parametrize(
    ("differs", "what"),
    [
        ({"base_checkpoint": "c" * 64}, "They began at two base checkpoints"),
        ({"genes": GENES[::-1]}, "They are of two gene sets: genes cannot be compared."),
        ({"genes": [*GENES, "ENSMUSG00000000031"]}, "They are of two gene sets"),
    ],
    ids=["base checkpoint", "order of genes", "number of genes"],
)
def test_compare_says_what_cannot_be_compared(run, tmp_path, differs, what):
    another = write_guide(RunLayout(tmp_path / "another"), **differs)
    assert what in said("compare", run, another)


def test_merged_guides_are_the_guide_of_all_scouts(run, other, tmp_path):
    out = tmp_path / "merged"
    told = asked("merge", run, other, "--out", out)
    expected = toy_movement()
    for scout_id in range(2):
        expected = expected.merged(toy_movement([scout_id], run=OTHER))
    made = Guide.load(out / "guide", {name: toy_meta()[name] for name in guide._IDENTITY})
    for name, value in scaled(expected.measured()).items():
        assert torch.equal(made.values[name], value), name
    assert restricted(made, [NORM, QUERIES]).values.keys() == {NORM, QUERIES}
    assert made.meta["merged_from"] == told["merged_from"] == [RUN, OTHER]
    assert made.meta["scouts"] == [0, 1, 2, 3, 0, 1]
    assert (made.meta["base_checkpoint"], made.meta["seed"]) == (BASE, "3 and 4")
    assert Movement.load(out / "movement").members == expected.members
    layers = pd.read_csv(out / "guide_layers.csv").set_index("layer")
    assert layers.loc["final norm", "moved"] == pytest.approx(2**0.5)
    assert len(pd.read_csv(out / "guide_members.csv")) == told["scouts"] == 6
    shown = said("show", out)
    assert f"Guide: 6 scouts of runs {RUN[:12]}, {OTHER[:12]}, from base checkpoint" in shown
    assert "they share 4 scouts" in said("compare", out, run)


def test_the_order_of_the_runs_changes_no_bit(run, other, tmp_path):
    third = write_guide(RunLayout(tmp_path / "third"), [1, 4, 5], run="0" * 32)
    one = asked("merge", run, other, third, "--out", tmp_path / "one")
    two = asked("merge", third, run, other, "--out", tmp_path / "two")
    assert one["sha256"] == two["sha256"]
    files = [(tmp_path / name / "movement" / "weights.safetensors").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_a_merged_guide_keeps_its_genes_and_merges_again(run, other, tmp_path):
    beside = tmp_path / "beside"  # as a merged one lies: the movement, and its genes
    toy_movement([7]).save(beside / "movement", toy_meta())
    write_text(beside / "genes.txt", "".join(f"{gene}\n" for gene in GENES))
    asked("merge", beside, other, "--out", tmp_path / "first")
    told = asked("merge", run, tmp_path / "first", "--out", tmp_path / "second")
    assert told["scouts"] == 7
    assert told["genes_named"]
    genes = pd.read_csv(tmp_path / "second" / "guide_genes.csv")
    assert genes["gene"].tolist() == [GENES[0], GENES[2], GENES[1]]
    np.testing.assert_allclose(genes["times_median"], [3, 1, 0])
    assert GeneSet.from_file(tmp_path / "second" / "genes.txt").ids == GENES


@pytest.mark.parametrize(
    ("differs", "what"),
    [
        ({"run": RUN}, "both have scout 0 of run 123456789012"),
        ({"base_checkpoint": "c" * 64}, "they differ in their base checkpoint"),
        ({"genes": GENES[::-1]}, "its gene set is"),
        ({"scale": "log2p1_cp10k"}, "its scale is log2p1_cp10k, not log2p1_cpm"),
        ({"measure": "absolute"}, r"measure \(absolute, squared\); choose one with --measure"),
        ({"scaling": "model_wide"}, "choose one with --scaling"),
    ],
    ids=["a scout twice", "base checkpoint", "genes", "scale", "measure", "scaling"],
)
def test_guides_that_do_not_fit_are_not_merged(run, tmp_path, differs, what):
    another = write_guide(RunLayout(tmp_path / "another"), range(2), **{"run": "0" * 32} | differs)
    with pytest.raises(CheckpointError, match=what):
        said("merge", run, another, "--out", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_measure_may_be_chosen_where_two_differ(run, tmp_path):
    another = write_guide(RunLayout(tmp_path / "another"), range(2), run=OTHER, measure="absolute")
    out = tmp_path / "merged"
    asked("merge", run, another, "--out", out, "--measure", "signal_to_noise", "--scaling", "model_wide")
    made = Guide.load(out / "guide")
    assert (made.meta["measure"], made.meta["scaling"]) == ("signal_to_noise", "model_wide")
    # Queries agree wholly, each norm moved in every other scout: (mean 1)^2 / mean 2 = 1/2, the lowest.
    assert (made.values[QUERIES].tolist(), made.values[NORM].tolist()) == ([[1.0, 1.0]], [0.0, 0.0])


def test_nothing_is_written_over(run, other):
    with pytest.raises(InputError, match="is there already"):
        said("merge", run, other, "--out", RunLayout(run).phase("scout"))


def test_a_movement_of_no_scout_and_a_folder_without_one_are_refused(tmp_path):
    Movement(BASE).save(tmp_path / "empty", toy_meta())
    with pytest.raises(CheckpointError, match="no scout has sent a delta"):
        read_guide(tmp_path / "empty")
    Guide({}, {}).save(tmp_path / "guide")
    with pytest.raises(CheckpointError, match="holds no scouts' movement"):
        read_guide(tmp_path / "guide")
    with pytest.raises(InputError, match="holds no movement of scouts; name a run that has scouted"):
        read_guide(tmp_path / "nowhere")


def test_the_options_are_the_recipes():
    assert get_args(guide._Measure) == get_args(Measure)
    assert get_args(guide._Scaling) == get_args(ScoutingConfig.model_fields["scaling"].annotation)


@pytest.mark.parametrize(
    ("words", "code"),
    [(("show", "nowhere"), 3), (("merge", "nowhere", "--out", "m"), 2), (("compare", "nowhere"), 2)],
    ids=["no movement", "one run", "one guide"],
)
def test_what_cannot_be_done_ends_with_the_exit_code_of_its_kind(cli: Cli, tmp_path: Path, words, code):
    done = cli("guide", *words, cwd=tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_help_is_quick_and_has_an_example(cli: Cli, environment: dict[str, str], tmp_path: Path):
    environment["PYTHONPROFILEIMPORTTIME"] = "1"
    try:
        done = cli("guide", "merge", "--help", cwd=tmp_path)
    finally:
        del environment["PYTHONPROFILEIMPORTTIME"]
    assert "Example: rnalearner guide merge runs/a runs/b --out runs/both" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert not imported & {"torch", "ray", "pandas", "numpy", "matplotlib"}
