"""A corpus of recount3's real size (benchmarks/large_mirror.py), here a small one."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import large_mirror
from benchmarks.large_mirror import LargeCorpus, projects, write_mirror, write_project
from rnalearner.counts.recount3 import Recount3Source, gene_file
from rnalearner.errors import RecipeError

CORPUS = LargeCorpus(40, n_genes=200, n_tissues=3, n_modules=4, depth=1e5)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "mirror"
    write_mirror(folder, CORPUS, n_workers=1)
    return folder


def test_recount3s_reader_finds_the_projects_samples_and_modalities(mirror: Path) -> None:
    source = Recount3Source(mirror)
    planned = {project.name: project for project in projects(CORPUS)}
    assert source.studies() == sorted(planned)
    assert sum(source.n_samples(study) for study in planned) == CORPUS.n_samples
    for study, project in planned.items():
        samples = source.read(study)
        assert list(samples.obs_names) == project.runs
        assert samples.n_vars == CORPUS.n_genes
        assert set(samples.obs["modality"]) == {"single-cell" if project.single_cell else "bulk"}
        # Coverage over the mapped length gives whole reads again.
        assert (samples.layers["counts"] == np.round(samples.layers["counts"])).all()
        assert samples.layers["counts"].sum() > 0
    assert {project.single_cell for project in planned.values()} == {False, True}


def test_the_same_seed_writes_the_same_bytes_and_another_one_others(mirror: Path, tmp_path: Path) -> None:
    for project in projects(CORPUS):
        write_project(tmp_path / "again", CORPUS, project)
    written = files(mirror)
    again = files(tmp_path / "again")
    assert again
    assert again == {name: written[name] for name in again}
    other = LargeCorpus(40, n_genes=200, n_tissues=3, n_modules=4, depth=1e5, seed=1)
    name = projects(CORPUS)[0].name
    write_project(tmp_path / "other", other, projects(other)[0])
    assert gene_file(tmp_path / "other", name).read_bytes() != gene_file(mirror, name).read_bytes()


def test_interrupted_writing_looks_not_whole_and_keeps_the_projects_it_has(
    mirror: Path, tmp_path: Path
) -> None:
    folder, parts, first = tmp_path / "mirror", tmp_path / "mirror.part", projects(CORPUS)[0]
    write_project(parts, CORPUS, first)
    kept = gene_file(parts, first.name)
    os.utime(kept, (1, 1))
    assert not folder.exists()
    write_mirror(folder, CORPUS, n_workers=1)
    assert gene_file(folder, first.name).stat().st_mtime == 1
    assert files(folder) == files(mirror)
    assert not parts.exists()


def test_a_project_whose_tables_are_not_written_has_no_gene_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(large_mirror, "_write_metadata", full)
    with pytest.raises(OSError, match="No space"):
        write_project(tmp_path, CORPUS, projects(CORPUS)[0])
    assert not list(tmp_path.rglob("*.gz"))


def test_another_corpus_in_the_same_folder_is_refused(mirror: Path) -> None:
    with pytest.raises(RecipeError, match="another corpus lies there"):
        write_mirror(mirror, LargeCorpus(41, n_genes=200, n_tissues=3, n_modules=4, depth=1e5))
