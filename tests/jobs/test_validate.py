"""What is said of an upload, by the process that reads it."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from jobs.validate import validate
from jobs.validation_report import label_column, sheet_column, subject_column
from rnalearner.layout import PublishedModel
from service.schemas.datasets import DatasetReport, Validation
from service.schemas.looks import DatasetLook

SAMPLES = [f"S{number}" for number in range(1, 7)]
GENES = [f"ENSMUSG{number:011d}" for number in range(1, 41)]
COUNTS_NG = np.random.default_rng(3).negative_binomial(2, 0.002, (len(SAMPLES), len(GENES)))
THREE_GROUPS = "sample,label,animal\n" + "".join(
    f"{sample},{'abc'[row % 3]},m{row}\n" for row, sample in enumerate(SAMPLES)
)


def csv(values_ng: Any = COUNTS_NG, genes: Any = GENES, samples: Any = SAMPLES) -> str:
    """Genes in rows."""
    return pd.DataFrame(np.asarray(values_ng).T, index=genes, columns=samples).to_csv()


@pytest.fixture
def say(tmp_path: Path) -> Any:
    """validate() on texts or bytes written to files."""

    def ask(table: str | bytes, sheet: str | None = None, **rest: Any) -> Validation:
        path = tmp_path / rest.pop("file", "table.txt")
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
        labels = None
        if sheet is not None:
            labels = tmp_path / "labels-ab.csv"
            labels.write_text(sheet)
        genes, models, out = rest.pop("genes", None), rest.pop("models", None), tmp_path / "out"
        out.mkdir(exist_ok=True)
        return validate(path, labels, genes, models, "my table", out)

    return ask


def report(answer: Validation) -> DatasetReport:
    assert answer.report is not None, answer.problem
    return answer.report


def warned(found: DatasetReport) -> list[str]:
    return [f"{fault.where}: {fault.what}; {fault.remedy}." for fault in found.warnings]


def look_in(folder: Path) -> DatasetLook:
    return DatasetLook.model_validate_json((folder / "out" / "look.json").read_bytes())


def sentence(answer: Validation) -> str:
    assert answer.problem is not None
    fault = answer.problem
    return f"{fault.where}: {fault.what}; {fault.remedy}."


def test_a_table_with_a_sheet_of_three_groups_is_described(say: Any) -> None:
    found = report(say(csv(), THREE_GROUPS))
    assert (found.n_samples, found.n_genes, found.samples) == (6, 40, SAMPLES)
    assert (found.orientation, found.id_type, found.share_matched) == ("rows", "ensembl", 1.0)
    assert found.integer
    assert found.total_min == COUNTS_NG.sum(axis=1).min()
    assert found.total_max == COUNTS_NG.sum(axis=1).max()
    assert found.columns[0].model_dump() == {
        "name": "label", "values": {"a": 2, "b": 2, "c": 2}, "n_values": 3,
    }  # fmt: skip
    assert (found.label_column, found.subject_column) == ("label", "animal")
    assert found.notes == []
    assert warned(found) == [
        "column animal: it names the animals, it seems, and is not taken to; rename it to subject, so that "
        "samples of one animal are kept together."
    ]


def test_a_transposed_gzipped_table_is_taken_as_it_is(say: Any) -> None:
    frame = pd.DataFrame(COUNTS_NG, index=SAMPLES, columns=GENES)
    found = report(say(gzip.compress(frame.to_csv().encode())))
    assert (found.orientation, found.samples) == ("columns", SAMPLES)


def test_symbols_need_the_gateways_gene_table(say: Any, tmp_path: Path) -> None:
    symbols = [f"Gene{number}" for number in range(40)]
    assert "by symbols that the gateway's gene table has" in sentence(say(csv(genes=symbols)))
    table = tmp_path / "genes.csv"
    known = zip(GENES[:38], symbols[:38], strict=True)
    table.write_text("ensembl,symbol\n" + "".join(f"{gene},{symbol}\n" for gene, symbol in known))
    found = report(say(csv(genes=symbols), genes=table))
    assert (found.id_type, found.n_matched, found.share_matched) == ("symbol", 38, 0.95)
    assert "Genes are named by symbols: 38 of 40 have one Ensembl id." in found.notes


def test_twins_fractions_and_odd_groups_are_noted(say: Any) -> None:
    values = COUNTS_NG.astype(float)
    values[1] = values[0]
    values[2, 3] += 0.5
    sheet = "sample,group\nS1,a\nS2,a\nS3,b\nS4,b\nS5,c\nS9,c\n"
    found = report(say(csv(values), sheet))
    assert (found.integer, found.n_duplicates, found.duplicates) == (False, 1, [("S1", "S2")])
    assert (found.label_column, found.not_in_sheet) == ("group", ["S6"])
    assert "not whole" in found.notes[0]
    for part in (
        "samples S1 and S2: are nearly alike (log2 CPM correlate at 1.00000); keep one of them",
        "the sheet: it lacks 1 of the samples: S6; add a line",
        "column group: only one sample is c (S5); add samples of that group",
        "the sheet: it lists 1 samples that the table lacks: S9; write their names",
    ):
        assert part in " ".join(warned(found))


def test_the_share_of_each_published_models_genes_is_told(say: Any, tmp_path: Path) -> None:
    for name, ids in (("all", GENES), ("few", [*GENES[:1], *(f"ENSMUSG{n:011d}" for n in range(90, 93))])):
        model = PublishedModel(tmp_path / "models" / name)
        model.root.mkdir(parents=True)
        model.card.write_text("{}")
        model.genes.write_text("\n".join(ids))
    (tmp_path / "models" / "damaged").mkdir()
    (tmp_path / "models" / "damaged" / "card.json").write_text("{}")
    found = report(say(csv(), models=tmp_path / "models"))
    assert found.models == {"all": 1.0, "few": 0.25}
    assert "model few: the table measures only 25% of its genes; choose another model" in warned(found)[0]
    assert "model all" not in " ".join(warned(found))


def test_an_h5ads_own_columns_count_as_a_sheets(say: Any, tmp_path: Path) -> None:
    samples = anndata.AnnData(
        COUNTS_NG.astype(np.float32),
        obs=pd.DataFrame({"condition": pd.Categorical([*list("aabbb"), None])}, index=SAMPLES),
        var=pd.DataFrame(index=GENES),
    )
    samples.write_h5ad(tmp_path / "x.h5ad")
    found = report(say((tmp_path / "x.h5ad").read_bytes(), file="table.h5ad"))
    assert found.label_column == "condition"
    assert found.columns[0].values == {"b": 3, "a": 2}


def test_an_h5_file_that_names_other_files_is_refused_unopened(say: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"canary" * 100)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("X", (6, 40), "u1", external=[(str(secret), 0, 240)])
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["X"] = h5py.ExternalLink(str(secret), "/")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["a/b"] = h5py.SoftLink("/a")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((6, 40), "u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "raw.h5"), "X", (6, 40))
        file.create_virtual_dataset("X", layout)
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("X", (10**6, 10**6), "f8", chunks=(100, 100))
    with h5py.File(tmp_path / "loop.h5", "w") as file:
        file["a/b"] = file["/"]
    what = {
        "raw": "keeps /X in another file",
        "link": "holds a link at /X",
        "soft": "holds a link at /a/b",
        "virtual": "keeps /X in another file",
        "huge": "declares 7450.6 GiB at /X",
        "loop": "holds a group twice, again at /a/b",
    }
    for name, expected in what.items():
        said = sentence(say((tmp_path / f"{name}.h5").read_bytes(), file="table.h5ad"))
        assert expected in said
        assert "canary" not in said


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (csv(np.log2(COUNTS_NG + 1.0)), "holds logarithms"),
        (csv(-COUNTS_NG), "is negative"),
        (csv(0 * COUNTS_NG), "holds no read"),
        (csv(np.where(np.arange(6)[:, None] == 2, 0, COUNTS_NG)), "sample S3 has no read"),
        (csv(samples=["S1", *SAMPLES[:-1]]), "occurs twice"),
        ("no table at all", "has a header and no rows"),
        (b"\x00\xff\xfe" * 50, "is not UTF-8"),
        (gzip.compress(csv().encode())[:-9], "ends too early"),
        (b"PK\x03\x04rest", "a workbook or an archive"),
    ],
)
def test_what_is_no_table_of_counts_is_refused_by_the_name_that_its_owner_gave(
    say: Any, tmp_path: Path, table: str | bytes, expected: str
) -> None:
    said = sentence(say(table))
    assert said.startswith("my table: ")
    assert expected in said
    assert str(tmp_path) not in said


def test_a_sheet_that_fits_no_sample_is_refused_as_the_labels_of_the_table(say: Any, tmp_path: Path) -> None:
    said = sentence(say(csv(), "sample,label\nX1,a\nX2,b\n"))
    assert said.startswith("labels of my table: lists X1, X2, and none of the samples")
    field_too_long = f'sample,label\nS1,"{"x" * 200_000}"\n'
    assert "labels" in sentence(say(csv(), field_too_long)) or "Error" in sentence(say(csv(), field_too_long))


def test_guesses_prefer_names_that_say_what_they_are() -> None:
    def columns(**values: str) -> Any:
        return [sheet_column(name, pd.Series(list(letters))) for name, letters in values.items()]

    assert label_column(columns(batch="aabb", Condition="abab")) == "Condition"
    assert label_column(columns(flow="aabc", site="abab")) == "site"
    assert label_column(columns(flow="aabbc")) == "flow"
    assert label_column(columns(mouse="aabb", one="abcd")) is None
    assert subject_column(columns(mouse_id="abcd", subject="abcd")) == "subject"
    assert subject_column(columns(label="abab")) is None


def test_names_that_would_break_a_report_are_made_harmless(say: Any) -> None:
    long, odd = "L" * 5000, 'a"\u202e=cmd'
    found = report(say(csv(samples=[long, odd, *SAMPLES[2:]])))
    assert found.samples[:2] == ["L" * 200, odd]
    json.loads(found.model_dump_json())


def test_the_program_writes_its_answer_under_its_limits(tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text(csv())
    words = [sys.executable, "-m", "jobs.validate", "table.txt", "--out", "."]
    limits = ["--memory-mb", "1000", "--seconds", "60", "--name=t"]
    done = subprocess.run([*words, *limits], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    answer = Validation.model_validate_json((tmp_path / "report.json").read_bytes())
    assert report(answer).n_samples == 6


def test_nasas_own_table_is_taken_as_it_is(shared_data: Path, tmp_path: Path) -> None:
    table = shared_data / "osd" / "GLDS-105_rna_seq_Unnormalized_Counts.csv.gz"
    if not table.exists():
        pytest.skip(f"needs {table.name}")
    with gzip.open(table, "rt") as lines:
        samples = next(lines).strip().replace('"', "").split(",")[1:]
    sheet = tmp_path / "sheet.csv"
    rows = [f"{sample},{'FLT' if 'FLT' in sample else 'GC'}" for sample in samples]
    sheet.write_text("\n".join(["sample,label", *rows]))
    found = report(validate(table, sheet, None, None, "OSD-105", tmp_path))
    assert (found.n_samples, found.n_genes, found.integer) == (12, 55536, False)
    assert (found.label_column, found.columns[0].values) == ("label", {"FLT": 6, "GC": 6})
    assert found.n_duplicates == 0


def test_names_of_the_sheet_that_come_near_are_suggested(say: Any) -> None:
    found = report(say(csv(COUNTS_NG), "sample,group\nS1,a\nS2,a\nS3,b\nS4,b\ns5,c\n"))
    assert found.not_in_sheet == ["S5", "S6"]
    assert any("S5 is perhaps s5 (other case); write their names" in said for said in warned(found))


def test_a_look_has_sizes_components_and_the_sheet_in_the_order_of_the_samples(
    say: Any, tmp_path: Path
) -> None:
    backwards = "\n".join(
        ["sample,label,day", *(f"S{n},{'ab'[n % 2]},{'xyz'[n % 3]}" for n in range(6, 0, -1))]
    )
    report(say(csv(), backwards))
    look = look_in(tmp_path)
    assert look.samples == SAMPLES
    assert look.totals == COUNTS_NG.sum(axis=1).tolist()
    assert look.n_expressed == (COUNTS_NG > 0).sum(axis=1).tolist()
    assert [len(row) for row in look.components] == [3] * 6
    assert np.abs(np.array(look.components).sum(axis=0)).max() < 1e-3
    assert 0 < look.explained[2] <= look.explained[1] <= look.explained[0] < 1
    assert look.correlation is not None
    assert np.diag(look.correlation).tolist() == [1.0] * 6
    assert look.sheet is not None
    assert look.sheet.columns == ["label", "day"]
    assert look.sheet.cells[0] == ["b", "y"]
    assert [(grouping.name, grouping.values) for grouping in look.groupings] == [("day", list("yzxyzx"))]
    assert look.batch is None


def test_without_a_sheet_the_parts_of_the_names_are_offered(say: Any, tmp_path: Path) -> None:
    report(say(csv(samples=["FLT_1", "FLT_2", "FLT_3", "GC_1", "GC_2", "GC_3"])))
    look = look_in(tmp_path)
    assert look.sheet is not None
    assert (look.sheet.columns, look.sheet.cells) == ([], [[]] * 6)
    assert {grouping.name: grouping.values for grouping in look.groupings} == {
        "part 1 of the names": ["FLT"] * 3 + ["GC"] * 3,
        "part 2 of the names": list("123123"),
    }
    assert {grouping.kind for grouping in look.groupings} == {"name part"}


def test_a_sheet_too_long_to_be_edited_is_not_shown_cut(say: Any, tmp_path: Path) -> None:
    report(say(csv(), THREE_GROUPS.replace("m0", "m" * 300)))
    assert look_in(tmp_path).sheet is None


def test_a_sheet_that_cannot_be_used_does_not_hide_its_table(say: Any, tmp_path: Path) -> None:
    answer = say(csv(), "sample,label\nX1,a\nX2,b\n")
    assert not answer.valid
    assert "none of the samples" in sentence(answer)
    found = report(answer)
    assert (found.n_samples, found.columns, found.warnings) == (6, [], [])
    assert look_in(tmp_path).samples == SAMPLES
    assert (tmp_path / "out" / "counts.parquet").is_file()
    assert not (tmp_path / "out" / "labels.parquet").exists()


def test_behind_a_sheet_that_cannot_be_used_an_h5ads_own_columns_stay(say: Any, tmp_path: Path) -> None:
    obs = pd.DataFrame({"condition": list("aabbba")}, index=SAMPLES)
    anndata.AnnData(COUNTS_NG.astype(np.float32), obs=obs, var=pd.DataFrame(index=GENES)).write_h5ad(
        tmp_path / "x.h5ad"
    )
    answer = say((tmp_path / "x.h5ad").read_bytes(), "sample,label\nS1,a,b\n", file="table.h5ad")
    assert "line of sample S1 has 3 fields" in sentence(answer)
    assert [column.name for column in report(answer).columns] == ["condition"]
    sheet = look_in(tmp_path).sheet
    assert sheet is not None
    assert sheet.cells == [["a"], ["a"], ["b"], ["b"], ["b"], ["a"]]


def test_a_table_that_cannot_be_read_has_no_look(say: Any, tmp_path: Path) -> None:
    assert say("no table at all", THREE_GROUPS).report is None
    assert list((tmp_path / "out").iterdir()) == []
