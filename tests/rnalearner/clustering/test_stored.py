from pathlib import Path

import numpy as np
import pytest

from rnalearner.checkpoint import load_checkpoint, save_arrays
from rnalearner.clustering.embed import PrincipalComponents
from rnalearner.clustering.stored import StoredClusters
from rnalearner.errors import CheckpointError

SCALE = {"name": "log2p1_cpm", "n_bins": 20}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    made = PrincipalComponents(*(rng.normal(size=s).astype(np.float32) for s in (7, (2, 7), 2)))
    centres = {k: rng.normal(size=(k, 2)).astype(np.float32) for k in (3, 12)}
    StoredClusters(made, {}, {"gene_set": "abc", "scale": SCALE}).with_centres(centres).save(tmp_path / "c")
    return tmp_path / "c"


def test_what_is_read_is_what_was_written(folder: Path):
    stored = StoredClusters.load(folder, "abc", SCALE)
    assert list(stored.centres) == [3, 12]
    tensors = load_checkpoint(folder)[0]  # the same file that weights are kept in
    np.testing.assert_array_equal(tensors["axes"].numpy(), stored.components.axes_kg)
    np.testing.assert_array_equal(tensors["centres_k12"].numpy(), stored.centres[12])


def test_other_genes_are_refused(folder: Path):
    with pytest.raises(CheckpointError, match="its gene set is abc, not xyz"):
        StoredClusters.load(folder, "xyz", SCALE)


def test_another_scale_is_refused(folder: Path):
    with pytest.raises(CheckpointError, match=r"its scale is .*log2p1_cpm.*, not .*cp10k"):
        StoredClusters.load(folder, "abc", {**SCALE, "name": "log2p1_cp10k"})


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path):
    save_arrays(tmp_path / "v", {"vectors": np.eye(2)}, {"gene_set": "abc", "scale": SCALE})
    with pytest.raises(CheckpointError, match="holds no principal components"):
        StoredClusters.load(tmp_path / "v", "abc", SCALE)


def test_damage_is_noticed(folder: Path):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        StoredClusters.load(folder, "abc", SCALE)
