"""The protocol's own tool, run beside ours: the same draws, the same scores."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.draws import KS, draws, draws_table, write_draws
from rnalearner.benchmark.families import families, with_families
from rnalearner.benchmark.pca_arm import pca_maps
from rnalearner.benchmark.results import join_results, write_results
from rnalearner.benchmark.scoring import score_linear
from rnalearner.benchmark.tasks import load_task, read_tasks
from tests.toy_compendium import write_compendium

DRAWS = 3
SAME = {
    "lr_l2_std": ("lr_l2", False),
    "lr_l2_std_c": ("lr_l2", True),
    "lr_l1_c": ("lr_l1", True),
    "lr_l1_c_C10": ("lr_l1_c10", True),
    "nc_c": ("nearest_centroid", True),
    "knn3_c": ("knn_3", True),
    "tsig100_c": ("t_signature_100", True),
    "pca10": ("pca10", False),
    "pca10_c": ("pca10", True),
}
"""Their names of arms -> ours, and whether centred."""
CHOSEN = ("colitis", "morphine", "fpas", "flight_105_to_99")
STUDIES = ("NBIS_DSS", "GSE118918", "P11636", "GLDS-105", "GLDS-99", "debrowser_demo")


def reference(folders: list[Path], tasks: Path, out: Path, tool: Path) -> None:
    given = [str(folder) for folder in folders]
    options = ["--draws", str(DRAWS), "--shuffles", "0", "--boot", "20", "--jobs", "1"]
    command = [sys.executable, str(tool), "--compendium", *given, "--tasks", str(tasks), "--out", str(out)]
    subprocess.run([*command, *options], check=True, capture_output=True)


def ours(compendium: Compendium, tasks: Path, out: Path) -> None:
    tables, results = [], []
    for task in with_families(read_tasks(tasks), compendium):
        loaded = load_task(compendium, task)
        components = pca_maps(compendium, loaded)
        for k in KS:
            drawn = draws(loaded, k, DRAWS)
            tables.append(draws_table(loaded, k, drawn))
            arms = sorted({name for name, _ in SAME.values()})
            results.append(score_linear(loaded, k, drawn, arms, pca=components))
    write_draws(out / "draws.csv", tables)
    write_results(out / "results.csv", join_results(results))


def compare(out: Path) -> pd.DataFrame:
    """Both programs' scores, a row a task, k, draw and arm."""
    theirs, own = (pd.read_csv(out / name / "results.csv") for name in ("reference", "ours"))
    theirs = theirs[theirs["arm"].isin(SAME)]
    renamed = pd.DataFrame([SAME[arm] for arm in theirs["arm"]], columns=["arm", "centred"])
    theirs = theirs.reset_index(drop=True).assign(**renamed)
    both = theirs.merge(own, on=["task", "k", "draw", "arm", "centred"], suffixes=("_theirs", ""))
    assert len(both) == len(theirs)
    return both


@pytest.fixture(scope="module")
def tool(shared_data: Path) -> Path:
    path = shared_data.parent / "tools" / "fewshot_baselines.py"
    if not path.exists():
        pytest.skip(f"needs the protocol's own tool {path}")
    return path


@pytest.fixture(scope="module")
def out(shared_data: Path, tool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small tasks of the shared compendium, by both programs."""
    out = tmp_path_factory.mktemp("reference")
    (folder := out / "compendium").mkdir()
    whole = shared_data / "compendium"
    tasks, samples = (pd.read_csv(whole / f"{name}.csv") for name in ("tasks", "samples"))
    tasks[tasks["task"].isin(CHOSEN)].to_csv(folder / "tasks.csv", index=False)
    samples[samples["study"].isin(STUDIES)].to_csv(folder / "samples.csv", index=False)
    for study in STUDIES:
        (folder / f"{study}.tsv.gz").symlink_to(whole / f"{study}.tsv.gz")
    reference([folder], folder / "tasks.csv", out / "reference", tool)
    ours(Compendium([folder]), folder / "tasks.csv", out / "ours")
    return out


def test_draws_are_those_of_the_protocols_own_tool(out):
    assert (out / "ours" / "draws.csv").read_text() == (out / "reference" / "draws.csv").read_text()


def test_linear_arms_agree_with_the_protocols_own_tool(out):
    both = compare(out)
    assert set(both["arm"]) == {name for name, _ in SAME.values()}
    assert (both["n_test_theirs"] == both["n_test"]).all()
    assert (both["auroc_theirs"] - both["auroc"]).abs().max() < 1e-3
    assert (both["acc"] - both["accuracy"]).abs().max() < 1e-3
    probable = both.dropna(subset=["brier_theirs"])
    assert (probable["brier_theirs"] - probable["brier"]).abs().max() < 1e-3


@pytest.mark.slow
def test_all_tasks_of_the_shared_compendium_agree(shared_data, tool, tmp_path):
    folder = shared_data / "compendium"
    reference([folder], folder / "tasks.csv", tmp_path / "reference", tool)
    ours(Compendium([folder]), folder / "tasks.csv", tmp_path / "ours")
    assert (tmp_path / "ours" / "draws.csv").read_text() == (tmp_path / "reference" / "draws.csv").read_text()
    both = compare(tmp_path)
    assert both["task"].nunique() == 25
    assert (both["auroc_theirs"] - both["auroc"]).abs().max() < 1e-3


def test_families_that_no_table_names_are_those_of_the_protocols_own_tool(tool, tmp_path):
    studies = {
        "A": (["ill", "well"] * 4, list("abcdefgh")),
        "B": (["ill", "well"] * 4, list("hijklmno")),
        "C": (["ill", "well"] * 4, list("ABCDEFGH")),
        "D": (["ill", "well"] * 6, list("QRSTUVWXYZqr")),
    }
    lines = "x,A,label,ill,well\ny,C,label,ill,well\nz,B,label,ill,well\nw,C->A,label,ill,well\n"
    folder = write_compendium(tmp_path / "toy", studies)
    (folder / "tasks.csv").write_text("task,study,column,positive,negative\n" + lines)
    reference([folder], folder / "tasks.csv", tmp_path / "reference", tool)
    info = pd.read_csv(tmp_path / "reference" / "info.csv")
    theirs = dict(zip(info["task"], info["family"], strict=True))
    found = families(read_tasks(folder / "tasks.csv"), Compendium([folder]))
    together = [[of[a] == of[b] for a in found for b in found] for of in (found, theirs)]
    assert together[0] == together[1]
