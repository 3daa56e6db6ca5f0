"""recount3's files: their addresses, its index, and a mirror filled over real HTTP."""

import gzip
import json

import pytest

from rnalearner.config import SimulationConfig
from rnalearner.counts import recount3 as layout
from rnalearner.counts.simulate import simulate
from rnalearner.errors import CountsError, FetchError, RecipeError
from rnalearner.fetch import retry
from rnalearner.fetch.connection import Limits
from rnalearner.fetch.recount3_files import (
    annotation_file,
    base_address,
    gene_file,
    kept_runs,
    metadata_file,
    read_index,
    sample_list_file,
)
from rnalearner.fetch.recount3_mirror import Recount3Mirror, manifest_file
from rnalearner.publish import sha256_of
from tests.mirror import Fault, mirror

TINY = SimulationConfig(n_genes=50, n_studies=6, samples_per_study=4, task_samples=4, test_samples=4)
LIMITS = Limits(at_once=4, tries=2)
ONE, TWO = "SRP900102", "SRP900103"


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_WAIT_S", 0.01)
    monkeypatch.delenv("RECOUNT3_URL", raising=False)


@pytest.fixture
def server(tmp_path):
    simulate(tmp_path / "served", TINY)
    with mirror(tmp_path / "served") as running:
        yield running


def filled(server, tmp_path, projects=(), exclude=(), **options):
    return Recount3Mirror(tmp_path / "m", server.address, "mouse", LIMITS).fill(projects, exclude, **options)


def test_paths_are_those_of_the_reader_and_of_the_documentation(tmp_path):
    gene = "mouse/data_sources/sra/gene_sums/15/SRP009615/sra.gene_sums.SRP009615.M023.gz"
    assert gene_file("mouse", "SRP009615") == gene
    assert layout.gene_file(tmp_path, "SRP009615") == tmp_path / gene
    assert layout.metadata_file(tmp_path, ONE, "sra") == tmp_path / metadata_file("mouse", ONE, "sra")
    assert layout.sample_list_file(tmp_path) == tmp_path / sample_list_file("mouse")
    assert gene_file("human", "SRP1").endswith("sra.gene_sums.SRP1.G026.gz")
    assert annotation_file("human") == "human/annotations/gene_sums/human.gene_sums.G026.gtf.gz"


def test_an_address_is_a_url_or_a_short_name_and_the_environment_stands_for_the_first(monkeypatch):
    assert base_address("recount3") == "http://duffel.rail.bio/recount3/"
    assert base_address("aws") == "https://recount-opendata.s3.amazonaws.com/recount3/release/"
    assert base_address("http://here/it/is") == "http://here/it/is/"
    monkeypatch.setenv("RECOUNT3_URL", "http://mine:1/r")
    assert base_address("recount3") == "http://mine:1/r/"
    assert base_address("idies") == "https://data.idies.jhu.edu/recount3/data/"
    with pytest.raises(RecipeError, match="'asw' is no address; give a URL, or one of recount3, aws"):
        base_address("asw")


def test_a_run_of_several_projects_is_kept_by_the_first_of_those_asked_for():
    index = {"P3": ("r1", "r2", "r2"), "P1": ("r1", "r9"), "P2": ("r2", "r3")}
    assert kept_runs(index) == {"P3": ("r1", "r2")}
    assert kept_runs({name: index[name] for name in ("P3", "P2")}) == {"P3": ("r2",)}
    assert kept_runs({"P1": ("r1", "r9")}) == {}


def test_all_projects_of_the_index_come_and_the_manifest_lists_them_with_their_sums(server, tmp_path):
    here = filled(server, tmp_path)
    assert here.projects == tuple(read_index(tmp_path / "m" / sample_list_file("mouse")))
    assert here.index[ONE] == tuple(f"SRR900102000{number}" for number in range(1, 5))
    manifest = json.loads(manifest_file(tmp_path / "m", "mouse").read_text())
    assert manifest["organism"] == "mouse"
    assert manifest["address"] == server.address
    assert manifest["projects"] == list(here.projects)
    assert len(manifest["files"]) == 1 + 6 * len(here.projects)
    for path, known in manifest["files"].items():
        assert sha256_of(server.folder / path) == known["sha256"]
        assert sha256_of(tmp_path / "m" / path) == known["sha256"]


def test_projects_that_are_added_later_are_all_that_is_asked_for(server, tmp_path):
    filled(server, tmp_path, [TWO])
    server.requests.clear()
    here = filled(server, tmp_path, [ONE, TWO])
    assert (here.projects, here.n_cached) == ((ONE, TWO), 6)
    assert {request.path.split("/")[-2] for request in server.requests[1:]} == {ONE}
    assert json.loads(manifest_file(tmp_path / "m", "mouse").read_text())["projects"] == [ONE, TWO]
    assert filled(server, tmp_path, [ONE]).projects == (ONE,)
    assert json.loads(manifest_file(tmp_path / "m", "mouse").read_text())["projects"] == [ONE, TWO]


def test_a_project_without_a_needed_file_is_left_out_by_name_unless_it_was_asked_for(server, tmp_path):
    server.faults[f"recount_qc.{ONE}"] = Fault(absent=True)
    server.faults[f"recount_seq_qc.{TWO}"] = Fault(absent=True)
    here = filled(server, tmp_path)
    assert list(here.left_out) == [ONE]
    assert here.left_out[ONE].endswith(f"sra.recount_qc.{ONE}.MD.gz answers 404")
    assert ONE not in here.projects
    assert ONE not in here.index
    assert TWO in here.projects
    with pytest.raises(CountsError, match=f"project {ONE}: cannot be had .*recount_qc.*answers 404"):
        filled(server, tmp_path, [ONE, TWO])


def test_a_misspelt_project_is_refused_before_anything_is_downloaded(server, tmp_path):
    with pytest.raises(RecipeError, match="the index lists no project SRP9OO1O2; did you mean SRP900102"):
        filled(server, tmp_path, ["SRP9OO1O2"])
    with pytest.raises(RecipeError, match="the index lists no project NOTHING; correct"):
        filled(server, tmp_path, exclude=["NOTHING"])
    assert len(server.asked(".gz")) == 1


def test_an_address_that_is_not_recount3_is_told(server, tmp_path):
    server.faults["sra.recount_project.MD.gz"] = Fault(absent=True)
    with pytest.raises(FetchError, match=r"has no sample list .*404.*; give the address of recount3"):
        filled(server, tmp_path)
    with pytest.raises(FetchError, match="has no gene annotation"):
        Recount3Mirror(tmp_path / "m", server.address, "mouse", LIMITS).annotation()


def test_the_annotation_of_the_release_is_downloaded_on_demand(server, tmp_path):
    path = server.folder / annotation_file("mouse")
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"chr1\tENSEMBL\tgene\n", mtime=0))
    found = Recount3Mirror(tmp_path / "m", server.address, "mouse", LIMITS).annotation()
    assert gzip.decompress(found.read_bytes()) == b"chr1\tENSEMBL\tgene\n"


@pytest.mark.parametrize("text", ["", "rail_id\tstudy\n1\tP\n", "external_id\tproject\nr1\n"])
def test_an_index_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "list.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(CountsError, match=r"list.gz: (has no column|is no whole sample list)"):
        read_index(tmp_path / "list.gz")
