"""The command line as its users start it: a process of its own, with a home of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from rnalearner.config import SimulationConfig
from rnalearner.counts.recount3 import Recount3Source
from rnalearner.counts.simulate import simulate

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def own_temporary() -> Iterator[Path]:
    """A folder whose path is short enough for Ray's sockets, and ours alone: what names it is ours."""
    folder = Path(tempfile.mkdtemp(prefix="rlt-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def environment(own_temporary: Path) -> dict[str, str]:
    """Neither the user's home and Ray, nor a terminal's width and colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RNALEARNER_"))}
    (own_temporary / "home").mkdir()
    return kept | {
        "HOME": str(own_temporary / "home"),
        "TMPDIR": str(own_temporary),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="session")
def cli(environment: dict[str, str]) -> Cli:
    """Run `rnalearner` with these words in a folder; returns what it printed and its exit code."""

    def run(*words: object, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobs.cli", *map(str, words)]
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run


@dataclass(frozen=True)
class Tables:
    """What a user has: a labelled table and a table to be asked about."""

    labelled: Path
    sheet: Path
    new: Path


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Two studies of the simulator, written as OSDR writes its files."""
    folder = tmp_path_factory.mktemp("tables")
    simulate(folder / "mirror", SimulationConfig(n_studies=6, samples_per_study=4, n_genes=300))
    source = Recount3Source(folder / "mirror", (), ())
    for name, study in (("labelled", "SRP900011"), ("new", "SRP900013")):
        samples = source.read(study)
        counts = pd.DataFrame(
            samples.layers["counts"].round().T, index=samples.var_names, columns=samples.obs_names
        )
        counts.astype(int).to_csv(folder / f"{name}.csv")
        samples.obs[["label"]].to_csv(folder / f"{name}_sheet.csv", index_label="sample")
    return Tables(folder / "labelled.csv", folder / "labelled_sheet.csv", folder / "new.csv")


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """OSD-105 with its labels, and OSD-99, as NASA gives them."""
    samples = pd.read_csv(shared_data / "compendium" / "samples.csv", dtype=str)
    sheet = tmp_path_factory.mktemp("sheet") / "osd105_labels.csv"
    samples[samples["study"] == "GLDS-105"][["sample", "label", "subject"]].to_csv(sheet, index=False)
    named = "GLDS-{}_rna_seq_Unnormalized_Counts.csv.gz"
    return Tables(shared_data / "osd" / named.format(105), sheet, shared_data / "osd" / named.format(99))


@pytest.fixture(scope="module")
def tables(request: pytest.FixtureRequest) -> Tables:
    """The real ones where they are, else simulated ones."""
    try:
        found: Tables = request.getfixturevalue("real")
    except pytest.skip.Exception:
        found = request.getfixturevalue("simulated")
    return found


@pytest.fixture(scope="module")
def server(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    """`rnalearner serve` on a machine that has nothing yet."""
    folder = tmp_path_factory.mktemp("server")
    (Path(environment["HOME"]) / ".config" / "rnalearner" / "client.toml").unlink(missing_ok=True)
    words = [sys.executable, "-m", "jobs.cli", "serve", "--port", "0", "--json"]
    # A proxy as many universities have one; what goes to this one goes nowhere.
    own = environment | {"RNALEARNER_NUM_CPUS": "2", "http_proxy": "http://127.0.0.1:9"}
    process = subprocess.Popen(words, cwd=folder, env=own, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["url"].startswith("http://127.0.0.1:")
    yield process
    process.terminate()
    assert process.wait(60) == 0
    process.stdout.close()
