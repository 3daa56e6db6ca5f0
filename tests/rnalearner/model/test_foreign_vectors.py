"""Somebody else's vectors become a run's gene vectors."""

from pathlib import Path

import numpy as np
import pytest

from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.model.foreign_vectors import foreign_vectors
from rnalearner.model.gene2vec import GeneVectors, random_vectors

GENES = GeneSet(tuple(f"ENSMUSG{number:011d}" for number in (9, 3, 5)))


def written(path: Path, vectors_md: np.ndarray) -> Path:
    names = (*GENES.ids[::-1][:2], "ENSMUSG00000000077")
    lines = [" ".join([name, *map(str, row)]) for name, row in zip(names, vectors_md, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_known_genes_are_centred_and_of_unit_scale_and_the_others_random(tmp_path: Path) -> None:
    file_md = np.random.default_rng(0).normal(5, 3, size=(3, 4)).round(3)
    found = foreign_vectors(written(tmp_path / "v.txt", file_md), GENES, 4)
    centred_md = file_md - file_md.mean(axis=0)
    expected = centred_md / np.sqrt((centred_md**2).mean())
    np.testing.assert_allclose(found.vectors_gd[[2, 1]], expected[:2], rtol=1e-5)
    np.testing.assert_array_equal(found.vectors_gd[0], random_vectors(GENES, 4)[0])
    assert found.n_unknown == 1
    assert found.learned().tolist() == [False, True, True]
    assert found.about["n_without_vector"] == 1
    found.save(tmp_path / "own")
    assert GeneVectors.load(tmp_path / "own", GENES, 4).about["n_matched"] == 2


def test_vectors_of_another_width_or_all_alike_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "v.txt", np.ones((3, 4)))
    with pytest.raises(CheckpointError, match="4 dimensions where the model has 8"):
        foreign_vectors(path, GENES, 8)
    with pytest.raises(CheckpointError, match="all its vectors are the same"):
        foreign_vectors(path, GENES, 4)
