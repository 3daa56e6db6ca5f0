"""Sources: studies by name, samples with what a run needs to know of them."""

import gzip

import pytest

from rnalearner.config.data import DataConfig, SimulationConfig
from rnalearner.counts.compendium import CompendiumSource
from rnalearner.counts.osdr import OsdrSource
from rnalearner.counts.sources import open_sources
from rnalearner.errors import CountsError, LabelError, RecipeError

A, B = "ENSMUSG00000000001", "ENSMUSG00000000003"


@pytest.fixture
def root(tmp_path):
    """A compendium of two studies, an OSDR set, and a table of the user's own."""
    folder = tmp_path / "compendium"
    folder.mkdir()
    (folder / "samples.csv").write_text(
        "sample,study,tissue,label,subject\n"
        "a1,one,liver,x,m1\na2,one,liver,y,\nb1,two,,x,m1\n"
        "f,GLDS-105,muscle,FLT,m7\ng,GLDS-105,muscle,GC,m8\n"
    )
    write(folder / "one.tsv.gz", f"gene_id\ta1\ta2\textra\n{A}\t1\t2\t3\n{B}\t0\t4\t5\n")
    write(folder / "two.tsv.gz", f"gene_id\tb1\n{A}\t7\n")
    (tmp_path / "osd").mkdir()
    name = "GLDS-105_rna_seq_Unnormalized_Counts.csv.gz"
    write(tmp_path / "osd" / name, f'"","f","g"\n"{A}",1.5,30\n"{B}",4,50\n')
    (tmp_path / "own.csv").write_text("gene,s1,s2\nGnai3,1,2\nPbsn,3,4\n")
    (tmp_path / "own_sheet.csv").write_text("sample,label,age\ns2,treated,8\n")
    (tmp_path / "genes.csv").write_text(f"ensembl,symbol\n{A},Gnai3\n{B},Pbsn\n")
    return tmp_path


def write(path, text):
    path.write_bytes(gzip.compress(text.encode()))


def test_a_compendium_study_has_its_labels_and_only_listed_samples(root):
    source = CompendiumSource([root / "compendium"], exclude=("GLDS-105",))
    assert source.role == "corpus"
    assert source.studies() == ["one", "two"]
    one = source.read("one")
    assert list(one.obs_names) == ["a1", "a2"]
    assert one.obs["label"].tolist() == ["x", "y"]
    assert one.obs["total"].tolist() == [1, 6]
    assert set(one.obs["modality"]) == {"bulk"}


def test_an_unnamed_subject_is_nobody_elses(root):
    source = CompendiumSource([root / "compendium"])
    assert source.read("one").obs["subject"].tolist() == ["m1", "one:a2"]
    assert source.read("two").obs["subject"].tolist() == ["m1"]
    assert source.read("two").obs["tissue"].tolist() == [""]


@pytest.mark.parametrize("field", ["projects", "exclude"])
def test_a_misspelt_study_is_refused(root, field):
    with pytest.raises(RecipeError, match="lists no study GLDS-99; choose from one, two"):
        CompendiumSource([root / "compendium"], **{field: ("GLDS-99",)})


def test_a_listed_sample_that_the_counts_lack_is_named(root):
    write(root / "compendium" / "one.tsv.gz", f"gene_id\ta1\n{A}\t1\n")
    with pytest.raises(LabelError, match=r"lists sample a2 of one, which one.tsv.gz lacks"):
        CompendiumSource([root / "compendium"]).read("one")


def second_folder(root, counts: str, label: str):
    """Another folder with study two of its own, and a study three; says nothing of tissues."""
    folder = root / "more"
    folder.mkdir()
    rows = f"b1,two,{label},m1\nc1,three,x,m3\n"
    (folder / "samples.csv").write_text("sample,study,label,subject\n" + rows)
    write(folder / "two.tsv.gz", f"gene_id\tb1\n{A}\t{counts}\n")
    write(folder / "three.tsv.gz", f"gene_id\tc1\n{A}\t9\n")
    return folder


def test_two_folders_are_read_as_one_and_what_both_hold_is_read_once(root):
    more = second_folder(root, "7", "x")
    (more / "two.tsv.gz").write_bytes((root / "compendium" / "two.tsv.gz").read_bytes())
    source = CompendiumSource([root / "compendium", more], exclude=("GLDS-105", "three"))
    assert source.studies() == ["one", "two"]
    assert CompendiumSource([root / "compendium", more]).read("three").obs["subject"].tolist() == ["m3"]


@pytest.mark.parametrize(("counts", "label"), [("8", "x"), ("7", "y")])
def test_two_studies_of_one_name_in_two_folders_are_refused_where_they_differ(root, counts, label):
    more = second_folder(root, counts, label)
    with pytest.raises(CountsError, match=r"more: holds another study two than .*compendium"):
        CompendiumSource([root / "compendium", more])


def test_recount3_is_read_from_one_mirror(root):
    data = data_of(root, source="recount3", corpus=("a", "b"))
    with pytest.raises(RecipeError, match="names 2 mirrors"):
        open_sources(data, root / "simulated")


def test_a_study_without_its_file_is_named(root):
    (root / "compendium" / "two.tsv.gz").unlink()
    with pytest.raises(CountsError, match=r"two.tsv.gz: there is no such file"):
        CompendiumSource([root / "compendium"]).read("two")


def test_an_osdr_accession_finds_its_older_file_name_and_its_labels(root):
    source = OsdrSource(("OSD-105",), root / "osd", root / "compendium" / "samples.csv")
    assert source.role == "task"
    samples = source.read("OSD-105")
    assert samples.obs["study"].tolist() == ["OSD-105", "OSD-105"]
    assert samples.obs["label"].tolist() == ["FLT", "GC"]
    assert samples.obs["subject"].tolist() == ["m7", "m8"]
    assert samples.obs["total"].tolist() == [5.5, 80]


def test_an_absent_osdr_file_says_where_to_get_it(root):
    source = OsdrSource(("OSD-99",), root / "osd", root / "compendium" / "samples.csv")
    with pytest.raises(CountsError, match=r"GLDS-99_rna_seq_.*osdr.nasa.gov/osdr/data/osd/files/99"):
        source.read("OSD-99")


def test_osdr_needs_accessions_and_a_sheet_that_lists_every_sample(root):
    with pytest.raises(RecipeError, match="write it like OSD-105"):
        OsdrSource(("GLDS-105",), root / "osd", root / "compendium" / "samples.csv")
    with pytest.raises(LabelError, match=r"data.sheet"):
        OsdrSource(("OSD-105",), root / "osd", None)
    (root / "sheet.csv").write_text("sample,label\nf,FLT\n")
    with pytest.raises(LabelError, match="does not list sample g of OSD-105"):
        OsdrSource(("OSD-105",), root / "osd", root / "sheet.csv").read("OSD-105")


def data_of(root, **fields) -> DataConfig:
    return DataConfig.model_validate({"root": root, **fields})


OWN = {"study": "own", "path": "own.csv", "sheet": "own_sheet.csv"}


def test_own_tables_beside_a_corpus_are_only_asked_about(root):
    data = data_of(
        root, source="compendium", exclude=("GLDS-105",), osdr=("OSD-105",), tables=(OWN,),
        sheet="compendium/samples.csv", genes="genes.csv",
    )  # fmt: skip
    sources = open_sources(data, root / "simulated")
    assert [source.role for source in sources] == ["corpus", "task", "task"]
    assert [source.studies() for source in sources] == [["one", "two"], ["OSD-105"], ["own"]]
    own = sources[2].read("own")
    assert list(own.var_names) == [A, B]
    assert own.obs["label"].tolist() == ["", "treated"]
    for source in sources:
        for study in source.studies():
            obs = source.read(study).obs
            assert {"study", "modality", "subject", "tissue", "total", "n_expressed"} <= set(obs)
            assert set(obs["study"]) == {study}


def test_own_tables_alone_are_the_corpus(root):
    data = data_of(root, source="tables", tables=(OWN,), genes="genes.csv")
    assert [source.role for source in open_sources(data, root)] == ["corpus"]


def test_no_table_at_all_is_refused(root):
    with pytest.raises(RecipeError, match="no table is listed"):
        open_sources(data_of(root, source="tables"), root)


def test_two_studies_of_one_name_are_refused(root):
    data = data_of(root, source="compendium", tables=({**OWN, "study": "one"},))
    with pytest.raises(RecipeError, match="two sources have a study one"):
        open_sources(data, root)


def test_a_simulated_corpus_is_written_where_it_is_missing(root):
    data = DataConfig(simulation=SimulationConfig(n_genes=50, n_studies=6, samples_per_study=4))
    [source] = open_sources(data, root / "simulated")
    assert source.role == "corpus"
    study = source.studies()[0]
    assert set(source.read(study).obs["study"]) == {study}
