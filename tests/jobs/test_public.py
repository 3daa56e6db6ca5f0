"""`rnalearner ingest recount3 ...` and `ingest osdr ...`: from words to shards, over real HTTP."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from jobs.options import parse_options, take_recipe
from jobs.public import spelled_out
from rnalearner.config import RunConfig, SimulationConfig, load_recipe
from rnalearner.counts.recount3 import gene_file
from rnalearner.counts.simulate import simulate
from rnalearner.errors import RecipeError
from rnalearner.fetch.recount3_files import annotation_file
from rnalearner.layout import RunLayout
from rnalearner.shards.read import ShardStore
from tests.mirror import mirror

TINY = SimulationConfig(n_genes=300, n_studies=6, samples_per_study=4, task_samples=4, test_samples=4)
QC = ("--preprocessing.min_expressed_genes", "50")


@pytest.fixture(autouse=True)
def _a_home_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RECOUNT3_URL", raising=False)


def recipe_of(*words: str, out: Path | None = None) -> RunConfig:
    recipe, options = take_recipe(spelled_out(words, out))
    return load_recipe(recipe, parse_options(options))


def test_recount3_in_words_is_a_recipe(tmp_path):
    data = recipe_of("recount3", "--organism", "human", "--projects", "SRP1", "SRP2", "--seeds", "2").data
    assert (data.source, data.organism, data.projects) == ("recount3", "human", ("SRP1", "SRP2"))
    assert data.address == "http://duffel.rail.bio/recount3/"
    assert data.corpus == (tmp_path / "cache" / "rnalearner" / "recount3",)
    for words in (
        ["--projects", "SRP1,SRP2"],
        ["--projects=SRP1,SRP2"],
        ["--data.projects", "SRP1,", "SRP2"],
    ):
        assert recipe_of("recount3", *words).data.projects == ("SRP1", "SRP2")
    assert recipe_of("recount3").data.projects == ()


def test_what_the_user_says_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("RECOUNT3_URL", "http://mine/r")
    assert recipe_of("recount3").data.address == "http://mine/r/"
    assert recipe_of("recount3", "--data.address", "aws").data.address == "aws"
    assert recipe_of("recount3", "--corpus", "here").data.corpus == (Path("here"),)
    beside = recipe_of("recount3", "--root", "lab").data
    assert beside.root / beside.corpus[0] == Path("lab/recount3")


def test_a_recipe_keeps_what_it_says(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[data]\nsource = "recount3"\ncorpus = "kept"\naddress = "idies"\npanel_prevalence = 0.5\n'
    )
    for words in ((str(recipe), "--projects", "A", "B"), ("--projects", "A", "B", str(recipe))):
        data = recipe_of("recount3", *words).data
        assert (data.corpus, data.address, data.projects) == ((Path("kept"),), "idies", ("A", "B"))
        assert data.panel_prevalence == 0.5


def test_osdr_in_words_is_a_recipe(tmp_path):
    data = recipe_of("osdr", "OSD-105", "osd104", "--data.osdr_factor", "Spaceflight").data
    assert (data.source, data.osdr, data.osdr_factor) == ("tables", ("OSD-105", "OSD-104"), "Spaceflight")
    assert data.osdr_address == "https://osdr.nasa.gov/"
    assert data.osdr_folder == tmp_path / "cache" / "rnalearner" / "osdr"
    with pytest.raises(RecipeError, match="names no accession; write it like `ingest osdr OSD-105`"):
        recipe_of("osdr")


def test_other_words_stay_as_they_are():
    assert spelled_out(["r.toml", "--projects", "A"], None) == ["r.toml", "--projects", "A"]
    assert spelled_out([], None) == []


def test_recount3_becomes_shards_and_more_projects_ask_for_no_file_twice(cli, tmp_path):
    simulate(tmp_path / "served", TINY)
    with mirror(tmp_path / "served") as server:

        def ingest(*projects: str):
            words = ("recount3", "--projects", *projects, "--data.address", server.address)
            where = ("--corpus", tmp_path / "mirror", "--out", tmp_path / "run")
            return cli("ingest", *words, *where, *QC, "--json", cwd=tmp_path)

        first = ingest("SRP900102", "SRP900103")
        assert first.returncode == 0, first.stderr
        assert json.loads(first.stdout)["phases"]["ingest"]["figures"]["studies"] == 2
        assert "download: 12/12" in first.stderr
        server.requests.clear()
        more = ingest("SRP900102", "SRP900103", "SRP900101")
        assert json.loads(more.stdout)["phases"]["ingest"]["figures"]["studies"] == 3
        assert len(server.asked("/SRP900101/")) == 6
        assert len(server.asked(".gz")) == 6
        again = cli("ingest", "--out", tmp_path / "run", cwd=tmp_path)
        assert "already complete" in again.stderr
        wrong = ingest("SRP1")
        assert (wrong.returncode, wrong.stderr.splitlines()[-1].count("no project SRP1")) == (3, 1)


def test_a_simulated_corpus_goes_over_http_and_is_read_unchanged(cli, tmp_path):
    sizes = ("--data.simulation.n_studies", "6", "--data.simulation.samples_per_study", "4")
    ended = cli("ingest", *sizes, "--data.simulation.n_genes", "100", *QC, "--out", "run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "download: " in ended.stderr
    files = sorted(
        path.relative_to(tmp_path / "run" / "simulated") for path in _gz(tmp_path / "run" / "simulated")
    )
    assert files == sorted(
        p.relative_to(tmp_path / "run" / "mirror") for p in _gz(tmp_path / "run" / "mirror")
    )
    for file in files:
        served, came = (tmp_path / "run" / folder / file for folder in ("simulated", "mirror"))
        assert served.read_bytes() == came.read_bytes()


def test_symbols_of_own_tables_are_resolved_by_the_releases_annotation(cli, tmp_path):
    served = tmp_path / "served"
    simulate(served, TINY)
    ids = gzip.decompress(gene_file(served, "SRP900102").read_bytes()).decode().splitlines()[3:]
    genes = [line.split("\t")[0] for line in ids]
    lines = [f'chr1\tX\tgene\t1\t9\t.\t+\t.\tgene_id "{g}"; gene_name "G{i}";' for i, g in enumerate(genes)]
    gtf = served / annotation_file("mouse")
    gtf.parent.mkdir(parents=True)
    gtf.write_bytes(gzip.compress("\n".join(lines).encode()))
    rows = [f"G{i},{i + 1},{2 * i + 1}" for i in range(len(genes))]
    (tmp_path / "own.csv").write_text("\n".join(["gene,s1,s2", *rows]))
    (tmp_path / "recipe.toml").write_text(
        '[data]\nsource = "recount3"\ncorpus = "mirror"\ntables = [{ study = "own", path = "own.csv" }]\n'
    )
    with mirror(served) as server:
        words = ("recipe.toml", "--data.address", server.address, "--projects", "SRP900102", "--out", "run")
        done = cli("ingest", *words, *QC, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    store = ShardStore.open(RunLayout(tmp_path / "run").shards)
    own = store.counts(np.flatnonzero(store.obs["study"] == "own"))[0]
    numbers = [genes.index(next(g for g in genes if g.startswith(gene))) for gene in store.gene_set.ids]
    np.testing.assert_array_equal(own, [[i + 1 for i in numbers], [2 * i + 1 for i in numbers]])


def test_osdr_accessions_become_labelled_shards(cli, tmp_path):
    folder = tmp_path / "served" / "OSD-105"
    folder.mkdir(parents=True)
    names = [f"M{number}" for number in range(6)]
    draw = random.Random(1)
    genes = [[f"ENSMUSG{g:011d}", *(str(draw.randrange(500)) for _ in names)] for g in range(120)]
    table = "\n".join(",".join(row) for row in (["", *names], *genes))
    (folder / "GLDS-105_rna_seq_Unnormalized_Counts.csv").write_text(table + "\n")
    samples = [
        {"Sample Name": name, "Source Name": f"mouse{name}", "Factor Value[Spaceflight]": "FG"[number % 2]}
        for number, name in enumerate(names)
    ]
    (folder / "metadata.json").write_text(
        json.dumps({"study": {"OSD-105": {"studies": [{"samples": samples}]}}})
    )
    with mirror(folder.parent) as server:
        where = (
            "--data.osdr_address",
            server.address,
            "--data.osdr_folder",
            tmp_path / "osd",
            "--out",
            "run",
        )
        ended = cli("ingest", "osdr", "OSD-105", *where, *QC, "--out", "run", "--json", cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        figures = json.loads(ended.stdout)["phases"]["ingest"]["figures"]
        assert (figures["studies"], figures["samples"]) == (1, 6)
        absent = cli("ingest", "osdr", "OSD-9", *where, "--out", "other", cwd=tmp_path)
        assert absent.returncode == 3
        assert "there is no OSD-9" in absent.stderr
    obs = ShardStore.open(RunLayout(tmp_path / "run").shards).obs
    assert obs["label"].tolist() == ["F", "G"] * 3
    assert obs["subject"].tolist() == [f"mouse{name}" for name in names]


def _gz(folder: Path) -> list[Path]:
    return list(folder.rglob("*.gz"))
