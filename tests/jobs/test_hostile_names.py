"""A run whose studies, samples, animals, groups and genes have names that bite, to its predictions."""

from pathlib import Path

import anndata
import pandas as pd
import pytest

from jobs.run import run_verb
from rnalearner.config import RunConfig, SimulationConfig, load_recipe
from rnalearner.counts.recount3 import Recount3Source
from rnalearner.counts.simulate import simulate
from rnalearner.layout import RunLayout
from rnalearner.spreadsheet import read_csv
from tests.active_cells import active_cells
from tests.chromium import canary, needs_chromium, opened
from tests.hostile_names import RAN, hostile_names

PLAIN = "http://127.0.0.1:9"
STUDIES = {
    "SRP900011": "=1+1;<script>alert(1)</script>",
    "SRP900013": "@$\\frac{$ \U0001f9ec <img src=x onerror=alert(1)>",
}
GROUPS = {"FLT": '=HYPERLINK("http://127.0.0.1:9")', "GC": "</title><svg onload=alert(1)>"}


def say_nothing(label, done, total, note="", figures=None):
    pass


def names_of_one_line(address: str) -> list[str]:
    """Those that a table of counts can hold in its heading, each of them another."""
    names = (hostile.name.strip() for hostile in hostile_names(address))
    return list(dict.fromkeys(name for name in names if name.isprintable() and 0 < len(name) < 2000))


def write_study(source: Recount3Source, study: str, folder: Path, names: list[str]) -> list[str]:
    """A simulated study as a table and a sheet, its samples and animals under these names; those it took."""
    samples = source.read(study)
    taken, labels = names[: samples.n_obs], samples.obs["label"].map(GROUPS)
    counts = pd.DataFrame(
        samples.layers["counts"].round().T.astype(int), index=samples.var_names, columns=taken
    )
    counts.to_csv(folder / f"{study}.csv")
    sheet = pd.DataFrame(
        {"sample": taken, "label": labels.to_numpy(), "subject": [f"@{name}" for name in taken]}
    )
    sheet.to_csv(folder / f"{study}_sheet.csv", index=False)
    return taken


@pytest.fixture(scope="module")
def names() -> list[str]:
    return names_of_one_line(PLAIN)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> RunConfig:
    """Two hundred samples of two studies, and a table that gives their genes hostile symbols."""
    folder = tmp_path_factory.mktemp("tables")
    simulate(
        folder / "mirror", SimulationConfig(n_studies=6, samples_per_study=4, n_genes=60, test_samples=100)
    )
    source, left = Recount3Source(folder / "mirror", (), ()), names
    for study in STUDIES:
        left = left[len(write_study(source, study, folder, left)) :]
    genes = source.read("SRP900011").var_names
    pd.DataFrame({"ensembl": genes, "symbol": names[: len(genes)]}).to_csv(folder / "genes.csv", index=False)
    tables = [
        {"study": name, "path": f"{study}.csv", "sheet": f"{study}_sheet.csv"}
        for study, name in STUDIES.items()
    ]
    train, test = STUDIES.values()
    task = {"name": "-1-1", "train": train, "test": test}
    task |= {"positive": [GROUPS["FLT"]], "negative": [GROUPS["GC"]]}
    given = {
        "name": "-run",
        "data.source": "tables",
        "data.root": folder,
        "data.tables": tables,
        "tasks": [task],
    }
    given |= {"data.genes": "genes.csv", "preprocessing.min_expressed_genes": 5, "finetune.arms": []}
    return load_recipe(None, given)


@pytest.fixture(scope="module")
def layout(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    layout = RunLayout(tmp_path_factory.mktemp("hostile") / "run")
    run_verb("report", config, layout, say_nothing, with_needs=True)
    return layout


def test_no_table_of_a_run_holds_an_active_cell(layout: RunLayout):
    paths = sorted(layout.root.rglob("*.csv"))
    assert {path.name for path in paths} >= {"genes.csv", "predictions.csv", "runs.csv", "rivals.csv"}
    assert not [cell for path in paths for cell in active_cells(path)]


def test_names_in_a_run_are_those_of_the_tables(layout: RunLayout, names: list[str]):
    predictions = read_csv(layout.linear("predictions"), dtype=str, keep_default_na=False)
    assert set(predictions["study"]) == set(STUDIES.values())
    assert set(predictions["task"]) == {"-1-1"}
    assert predictions["sample"].nunique() > 100
    assert set(predictions["sample"]) <= set(names)
    assert set(predictions["subject"]) == {f"@{name}" for name in predictions["sample"]}
    genes = read_csv(layout.linear("genes"), dtype=str, keep_default_na=False)
    assert set(genes["symbol"]) <= set(names)
    told = anndata.read_h5ad(layout.report / "predictions.h5ad").obs
    assert set(told["rnalearner_label"]) == set(GROUPS.values())


@needs_chromium
def test_its_report_runs_nothing_and_asks_nobody(layout: RunLayout):
    with canary() as told:
        shown = opened((layout.report / "index.html").as_uri(), told)
        assert told.heard == []
    assert RAN not in shown
    assert "<script" not in shown
    assert 'id="recipe"' in shown


def test_predictions_of_hostile_samples_are_harmless_in_a_spreadsheet(
    layout: RunLayout, config: RunConfig, tmp_path: Path
):
    table = config.data.root / "SRP900013.csv"
    given = {"predict.run": layout.root, "predict.table": table, "predict.formats": ["csv", "h5ad"]}
    asked = RunLayout(tmp_path / "asked")
    run_verb("predict", load_recipe(None, given), asked, say_nothing)
    [path] = asked.root.rglob("*.csv")
    assert not active_cells(path)
    written = read_csv(path, dtype=str, keep_default_na=False)["sample"].tolist()
    assert written == pd.read_csv(table, nrows=0, index_col=0).columns.tolist()
