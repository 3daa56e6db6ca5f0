"""OSDR: files and ISA metadata over real HTTP -> counts and a sheet that OsdrSource reads."""

import csv
import json

import pytest

from rnalearner.counts.osdr import OsdrSource
from rnalearner.errors import CountsError, FetchError, LabelError, RecipeError
from rnalearner.fetch import retry
from rnalearner.fetch.connection import Limits
from rnalearner.fetch.osdr_files import counts_file
from rnalearner.fetch.osdr_mirror import fetched_sheet, fill_osdr_folder
from rnalearner.fetch.osdr_sheet import sheet_rows
from tests.mirror import Fault, mirror

LIMITS = Limits(at_once=2, tries=2)
COUNTS = "GLDS-105_rna_seq_Unnormalized_Counts.csv"
GENES = ("ENSMUSG00000000001", "ENSMUSG00000000003")
MICE = {
    "Mmus_C57-6J_TA_FLT_Rep1_M23": ("M23", "Space Flight"),
    "Mmus_C57-6J_TA_GC_Rep1_M33": ("M33", "Ground"),
}


def isa_json(**other: str):
    """ISA-JSON as the API has it: values point to their names by @id."""
    samples = [
        {
            "@id": f"#sample/{name}",
            "name": name,
            "derivesFrom": [{"@id": f"#source/{mouse}"}],
            "characteristics": [{"category": {"@id": "#c/1"}, "value": {"annotationValue": "tibialis"}}],
            "factorValues": [
                {"category": {"@id": "#f/1"}, "value": {"annotationValue": group}},
                {"category": {"@id": "#f/2"}, "value": {"annotationValue": other.get(mouse, "29 day")}},
            ],
        }
        for name, (mouse, group) in MICE.items()
    ]
    sources = [
        {
            "@id": f"#source/{mouse}",
            "name": f"source-{mouse}",
            "characteristics": [{"category": {"@id": "#c/2"}, "value": "Female"}],
        }
        for mouse, _ in MICE.values()
    ]
    kinds = {"#c/1": "Organism Part", "#c/2": "Sex"}
    study = {
        "factors": [
            {"@id": "#f/1", "factorName": "Spaceflight"},
            {"@id": "#f/2", "factorName": "Age at Launch"},
        ],
        "characteristicCategories": [
            {"@id": at, "characteristicType": {"annotationValue": name}} for at, name in kinds.items()
        ],
        "materials": {"sources": sources, "samples": samples},
    }
    return {"success": True, "study": {"OSD-105": {"studies": [study]}}}


def isa_tab():
    rows = [
        {
            "Source Name": mouse,
            "Sample Name": name,
            "Factor Value[Spaceflight]": group,
            "Factor Value[Age at Launch]": "29 day",
            "Characteristics[Organism Part]": "tibialis",
            "Characteristics[Sex]": "Female",
        }
        for name, (mouse, group) in MICE.items()
    ]
    return {"study": {"OSD-105": {"studies": [{"additionalInformation": {"samples": rows}}]}}}


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_WAIT_S", 0.01)


@pytest.fixture
def server(tmp_path):
    """OSD-105 among 60 other files, on three pages."""
    folder = tmp_path / "served" / "OSD-105"
    folder.mkdir(parents=True)
    for number in range(60):
        (folder / f"GLDS-105_raw_{number:02d}.txt").write_text("reads")
    (folder / COUNTS.replace(".csv", "_rRNArm.csv")).write_text("another")
    header = "gene_id,Mmus_C57.6J_TA_FLT_Rep1_M23,Mmus_C57.6J_TA_GC_Rep1_M33"
    rows = ("{},300,40.5", "{},0,7")
    (folder / COUNTS).write_text(
        "\n".join([header, *(r.format(g) for r, g in zip(rows, GENES, strict=True))])
    )
    (folder / "metadata.json").write_text(json.dumps(isa_json()))
    with mirror(folder.parent) as running:
        yield running


def test_an_accession_becomes_counts_with_labels_factors_and_animals(server, tmp_path):
    fill_osdr_folder(tmp_path / "osd", server.address, ["OSD-105"], None, LIMITS)
    samples = OsdrSource(("OSD-105",), tmp_path / "osd", None).read("OSD-105")
    assert samples.obs["label"].tolist() == ["Space Flight", "Ground"]
    assert samples.obs["factor_spaceflight"].tolist() == ["Space Flight", "Ground"]
    assert samples.obs["factor_age_at_launch"].tolist() == ["29 day", "29 day"]
    assert samples.obs["subject"].tolist() == ["M23", "M33"]
    assert set(samples.obs["tissue"]) == {"tibialis"}
    assert set(samples.obs["sex"]) == {"Female"}
    assert samples.layers["counts"].tolist() == [[300, 0], [40.5, 7]]
    assert len(server.asked("data/osd/files/105")) == 3


def test_counts_that_are_here_are_not_asked_for_again(server, tmp_path):
    for _ in range(2):
        fill_osdr_folder(tmp_path / "osd", server.address, ["OSD-105"], None, LIMITS)
    assert len(server.asked("geode-py")) == 1


def test_a_sheet_of_the_users_own_wins(server, tmp_path):
    fill_osdr_folder(tmp_path / "osd", server.address, ["OSD-105"], None, LIMITS)
    own = tmp_path / "own.csv"
    own.write_text("sample,label,subject\n" + "".join(f"{name},mine,m\n" for name in MICE))
    assert set(OsdrSource(("OSD-105",), tmp_path / "osd", own).read("OSD-105").obs["label"]) == {"mine"}


def test_both_shapes_of_isa_metadata_give_the_same_sheet():
    rows = [sheet_rows(shape, "OSD-105", None, "meta") for shape in (isa_json(), isa_tab())]
    columns = ("sample", "label", "subject", "tissue", "sex", "factor_spaceflight", "factor_age_at_launch")
    assert [[row[c] for c in columns] for row in rows[0]] == [[row[c] for c in columns] for row in rows[1]]


@pytest.mark.parametrize(
    ("factor", "labels"),
    [
        (None, ["29 day | Space Flight", "30 day | Ground"]),
        ("spaceflight", ["Space Flight", "Ground"]),
        ("factor_age_at_launch", ["29 day", "30 day"]),
    ],
)
def test_the_label_is_the_factor_that_is_asked_for_or_all_that_vary(factor, labels):
    rows = sheet_rows(isa_json(M33="30 day"), "OSD-105", factor, "meta")
    assert [row["label"] for row in rows] == labels


def test_metadata_without_groups_are_one_sentence():
    with pytest.raises(LabelError, match=r"no factor 'dose'; choose .* from: Age at Launch, Spaceflight"):
        sheet_rows(isa_json(), "OSD-105", "dose", "meta")
    with pytest.raises(LabelError, match="lists no sample of OSD-105"):
        sheet_rows({"study": {}}, "OSD-105", None, "meta")
    same = json.loads(json.dumps(isa_json()).replace("Ground", "Space Flight"))
    with pytest.raises(LabelError, match="no factor of OSD-105 differs between its samples"):
        sheet_rows(same, "OSD-105", None, "meta")


def test_the_plain_counts_are_chosen_among_the_variants():
    names = [COUNTS.replace(".csv", end) for end in ("_GLbulkRNAseq.csv", "_rRNArm_GLbulkRNAseq.csv")]
    assert counts_file(dict.fromkeys([names[1], names[0]], ""), "OSD-1") == names[0]
    assert (
        counts_file({"GLDS-9_ERCC_Unnormalized_Counts.csv": "", COUNTS + ".gz": ""}, "OSD-1")
        == COUNTS + ".gz"
    )
    with pytest.raises(CountsError, match="no file of unnormalized counts among its 1 files"):
        counts_file({"a.txt": ""}, "OSD-1")


def test_what_osdr_does_not_have_is_one_sentence(server, tmp_path):
    def bring(accession: str):
        fill_osdr_folder(tmp_path / "osd", server.address, [accession], None, LIMITS)

    with pytest.raises(RecipeError, match="write it like OSD-105"):
        bring("GLDS-105")
    with pytest.raises(CountsError, match="there is no OSD-7"):
        bring("OSD-7")
    server.faults["osd/files"] = Fault(unavailable=9)
    with pytest.raises(FetchError, match=r"files/105.*answers 503, after 2 tries"):
        bring("OSD-105")
    server.faults["osd/files"] = Fault(unavailable=1, status=200)
    with pytest.raises(FetchError, match="does not answer with JSON"):
        bring("OSD-105")


def test_the_sheet_is_a_csv_for_people(server, tmp_path):
    fill_osdr_folder(tmp_path / "osd", server.address, ["OSD-105"], None, LIMITS)
    with fetched_sheet(tmp_path / "osd", "OSD-105").open() as file:
        first = next(csv.DictReader(file))
    assert (first["sample"], first["study"]) == ("Mmus_C57-6J_TA_FLT_Rep1_M23", "OSD-105")
