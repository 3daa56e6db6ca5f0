"""A corpus that grows by projects, as its user grows it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnalearner.config import SimulationConfig
from rnalearner.counts.recount3 import gene_file
from rnalearner.counts.simulate import simulate
from rnalearner.shards.read import ShardStore

RECIPE = """
name = "grown"
preprocessing = { min_expressed_genes = 1 }
figures = { umap = false }
clustering = { k_list = [2, 3], k = 3, n_components = 4 }
[data]
source = "recount3"
root = "."
corpus = "mirror"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    simulate(
        tmp_path / "mirror",
        SimulationConfig(n_genes=60, n_studies=8, samples_per_study=6, single_cell_share=0),
    )
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_added_projects_change_no_byte_and_what_was_built_before_is_told_to_be_out_of_date(cli, folder):
    projects = sorted(path.parent.name for path in gene_file(folder / "mirror", "X").parents[2].glob("*/*/*"))
    some, run = ",".join(projects[:5]), folder / "run"
    done = cli("ingest", "recipe.toml", "--out", "run", "--data.projects", some, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert cli("explore", "--out", "run", cwd=folder).returncode == 0
    shards, wide = run / "ingest" / "shards", run / "ingest" / "wide_shards"
    before = bytes_of(shards) | {f"wide {name}": content for name, content in bytes_of(wide).items()}

    grown = cli("grow", "--out", "run", "--data.projects", ",".join(projects[:7]), "--json", cwd=folder)
    assert grown.returncode == 0, grown.stderr
    figures = json.loads(grown.stdout)["phases"]["ingest"]["figures"]
    assert figures["added"] == projects[5:7]
    assert (figures["version"], figures["studies"]) == (2, 7)
    after = bytes_of(shards) | {f"wide {name}": content for name, content in bytes_of(wide).items()}
    assert {name: after[name] for name in before} == before
    assert ShardStore.open(shards).n_obs == figures["samples"] > ShardStore.open(shards, version=1).n_obs

    # The same again adds nothing; what explored the smaller corpus runs again, on all of it.
    again = cli("grow", "--out", "run", "--json", cwd=folder)
    assert json.loads(again.stdout)["phases"]["ingest"]["figures"]["added"] == []
    ingested = cli("ingest", "--out", "run", cwd=folder)
    assert "already complete" in ingested.stderr + ingested.stdout
    explored = cli("explore", "--out", "run", "--json", cwd=folder)
    assert json.loads(explored.stdout)["phases"]["explore"]["figures"]["bulk_samples"] == figures["samples"]


def test_only_studies_can_be_added(cli, folder):
    early = cli("grow", "recipe.toml", "--out", "run", cwd=folder)
    assert early.returncode == 3
    assert "no complete shards of its recipe to add to; run `rnalearner ingest` first" in early.stderr
    assert cli("ingest", "recipe.toml", "--out", "run", cwd=folder).returncode == 0
    other = cli("grow", "--out", "run", "--data.panel_min_cpm", "5", cwd=folder)
    assert other.returncode == 3
    assert "data.panel_min_cpm is not what the run's shards were made with" in other.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds 340 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=340k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_ends_with_a_sentence_and_goes_on_when_there_is_room(cli, folder, small_disk):
    sized = ("--shards.rows_per_shard", "8")
    full = cli("ingest", "recipe.toml", "--out", small_disk / "run", *sized, cwd=folder)
    assert full.returncode == 1
    assert "there is no space left; make room and run the same command again" in full.stderr.splitlines()[-1]
    ingest = small_disk / "run" / "ingest"
    done_before = [int(path.stem) for path in (ingest / "pieces").glob("?????.json")]
    shards = [ingest / "shards" / f"shard-{number:05d}.parquet" for number in done_before]
    written = {path: path.stat().st_mtime_ns for path in shards}
    assert not list(small_disk.rglob("manifest-*.json"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    done = cli("ingest", "recipe.toml", "--out", small_disk / "run", *sized, cwd=folder)
    assert done.returncode == 0, done.stderr
    ShardStore.open(ingest / "shards").verify()
    assert written
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
