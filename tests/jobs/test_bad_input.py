"""What users get wrong, end to end: exit code 3, one sentence, and nothing that looks whole.

More kinds of bad tables are in tests/rnalearner/counts/test_refusals.py.
"""

import gzip
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]
IDS = [f"ENSMUSG{number:011d}" for number in range(1, 41)]
SYMBOLS = [f"Gene{number}" for number in range(1, 41)]
SAMPLES = [f"S{number}" for number in range(1, 7)]
COUNTS_GN = np.random.default_rng(0).integers(5, 900, (40, 6)).astype(float)
RECIPE = """
name = "own"
preprocessing = { min_expressed_genes = 1 }
[data]
source = "tables"
tables = [{ study = "mine", path = "counts.csv", sheet = "sheet.csv" }]
"""


def text(genes: Sequence[str] = IDS, values_gn: np.ndarray = COUNTS_GN) -> str:
    rows = [
        ",".join([gene, *(f"{value:.10g}" for value in row)])
        for gene, row in zip(genes, values_gn, strict=True)
    ]
    return "\n".join([",".join(["gene", *SAMPLES]), *rows]) + "\n"


def with_cell(value: float) -> str:
    values_gn = COUNTS_GN.copy()
    values_gn[3, 2] = value
    return text(values_gn=values_gn)


def sheet(samples: Sequence[str] = SAMPLES, labels: Sequence[str] = ("FLT", "GC") * 3) -> str:
    return "sample,label\n" + "".join(f"{s},{label}\n" for s, label in zip(samples, labels, strict=True))


@pytest.fixture
def ingest(cli: Cli, tmp_path: Path):
    """Run `ingest` on these files of a folder; a value is a file's text or bytes."""

    def run(*words: str, recipe: str = RECIPE, **files: str | bytes) -> subprocess.CompletedProcess[str]:
        given = {"counts.csv": text(), "sheet.csv": sheet(), "own.toml": recipe}
        for name, content in (
            given | {name.replace("_", "."): value for name, value in files.items()}
        ).items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(data)
        return cli("ingest", "own.toml", "--out", "run", *words, cwd=tmp_path)

    return run


@pytest.fixture
def refused(ingest, tmp_path: Path):
    """The sentence of an `ingest` that must fail."""

    def run(*words: str, **files: str | bytes) -> str:
        done = ingest(*words, **files)
        assert done.returncode == 3, done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.rstrip().endswith(errors[0])
        assert not (tmp_path / "run" / "ingest" / "phase.json").exists()
        assert not list((tmp_path / "run").rglob("manifest-*.json"))
        return errors[0]

    return run


def test_good_tables_pass_and_the_run_is_whole(ingest, tmp_path: Path):
    done = ingest()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ingest: studies 1, samples 6, samples_dropped 0, genes 40\n"
    assert (tmp_path / "run" / "ingest" / "phase.json").exists()


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        (text(genes=SYMBOLS), ("counts.csv", "Gene1", "data.genes")),
        (text(genes=[IDS[0], *IDS[:-1]]), ("counts.csv", IDS[0], "twice")),
        (with_cell(-3), ("counts.csv", IDS[3], "S3", "negative", "raw counts")),
        (with_cell(np.nan), ("counts.csv", IDS[3], "S3", "missing", "every cell a count")),
        (text(values_gn=np.log2(COUNTS_GN + 1)), ("counts.csv", "logarithms", "raw counts")),
        (text(values_gn=COUNTS_GN / COUNTS_GN.sum(0) * 1e6), ("counts.csv", "TPM", "raw counts")),
        ("", ("counts.csv", "is empty")),
        (gzip.compress(text().encode())[:-40], ("counts.csv", "gzip", "ends too early")),
    ],
    ids=lambda value: None if isinstance(value, str | bytes) else value[-1],
)
def test_a_table_that_is_no_table_of_counts_is_refused(refused, table: str | bytes, parts: Sequence[str]):
    line = refused(counts_csv=table)
    assert all(part in line for part in parts), line


def test_unknown_symbols_are_named_beside_the_table_that_lacks_them(refused):
    genes = "ensembl,symbol\n" + "".join(f"{i},Other{n}\n" for n, i in enumerate(IDS))
    line = refused("--genes", "genes.csv", counts_csv=text(genes=SYMBOLS), genes_csv=genes)
    assert all(part in line for part in ("counts.csv", "Gene1", "species")), line


def test_genes_of_another_species_do_not_fit_the_panel(refused):
    human = [gene.replace("ENSMUSG", "ENSG") for gene in IDS]
    line = refused(
        "--panel", "panel.csv", counts_csv=text(genes=human), panel_csv="\n".join(["ensembl", *IDS])
    )
    assert all(part in line for part in ("study mine", "0 of the panel's 40 genes", "species")), line


def test_a_sheet_that_names_no_sample_is_refused(refused):
    line = refused(sheet_csv=sheet(samples=[f"M{number}" for number in range(6)]))
    assert all(part in line for part in ("sheet.csv", "M0", "S1", "name the samples as the counts do")), line


def test_a_sheet_that_lists_a_sample_twice_is_refused(refused):
    line = refused(sheet_csv=sheet(samples=["S1", *SAMPLES[:-1]]))
    assert all(part in line for part in ("sheet.csv", "S1", "twice")), line


@pytest.mark.parametrize("labels", [["FLT"] * 6, [""] * 6])
def test_a_task_with_one_group_is_refused_before_anything_is_learnt(ingest, tmp_path: Path, labels):
    task = '[[tasks]]\nname = "flight"\ntrain = "mine"\nvalidation = "mine"\ntest = "mine"\n'
    done = ingest(recipe=RECIPE + task, sheet_csv=sheet(labels=labels))
    assert done.returncode == 3
    assert "error: task flight, study mine: column 'label' has no " in done.stderr
    assert not (tmp_path / "run" / "ingest" / "phase.json").exists()


def test_animals_on_both_sides_of_a_task_are_refused_unless_allowed(ingest, tmp_path: Path):
    tables = '{ study = "again", path = "counts.csv", sheet = "sheet.csv" }, { study = "mine"'
    task = '[[tasks]]\nname = "flight"\ntrain = "mine"\nvalidation = "mine"\ntest = "again"\n'
    recipe = RECIPE.replace('{ study = "mine"', tables) + task
    done = ingest(recipe=recipe)
    assert done.returncode == 3
    assert "error: tasks: flight: test sample S1 and train sample S1 correlate at 1.0" in done.stderr
    assert "data.allow_leak" in done.stderr
    assert ingest("--data.allow_leak", "true", recipe=recipe).returncode == 0


def test_files_of_a_folder_with_other_genes_are_named(refused, tmp_path: Path):
    folder = tmp_path / "counts"
    folder.mkdir()
    for name, genes in (("a.csv", IDS), ("b.csv", [*IDS[:-1], "ENSMUSG99999999999"])):
        (folder / name).write_text("".join(f"{gene},{place + 9}\n" for place, gene in enumerate(genes)))
    recipe = RECIPE.replace('"counts.csv", sheet = "sheet.csv"', '"counts"')
    line = refused(recipe=recipe)
    assert all(part in line for part in ("b.csv", IDS[-1], "a.csv", "same annotation")), line


@pytest.mark.parametrize("name", ["counts.csv", "sheet.csv"])
def test_a_file_that_is_not_there_is_named(refused, name: str):
    line = refused(recipe=RECIPE.replace(name, f"absent-{name}"))
    assert f"absent-{name}: there is no such file; correct the path." in line


def test_samples_that_are_all_too_poor_say_why(refused):
    line = refused("--preprocessing.min_expressed_genes", "200")
    assert "S1 of mine expresses 40 genes, fewer than 200" in line
    assert "preprocessing.min_expressed_genes" in line


def test_fractional_counts_are_taken_and_reported(ingest, tmp_path: Path):
    assert ingest(counts_csv=text(values_gn=COUNTS_GN + 0.25)).returncode == 0
    (study,) = json.loads((tmp_path / "run" / "ingest" / "studies.json").read_text())["studies"]
    assert study["read"]["fractional"] is True
    assert study["read"]["fractional_share"] == 1


def test_a_table_mended_after_a_success_is_read_again(ingest, tmp_path: Path):
    def marker() -> str:
        return (tmp_path / "run" / "ingest" / "phase.json").read_text()

    ingest()
    first = marker()
    assert "already complete" in ingest().stderr
    assert marker() == first
    assert "already complete" not in ingest(sheet_csv=sheet(labels=("GC", "FLT") * 3)).stderr
    assert marker() != first


def test_a_table_mended_after_a_refusal_is_read_without_ado(refused, ingest):
    refused(counts_csv=with_cell(-3))
    assert ingest().returncode == 0
