import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rnalearner.checkpoint import save_checkpoint
from rnalearner.config import Gene2vecConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.model.co_expression import ResidualSketch
from rnalearner.model.gene2vec import (
    GeneVectors,
    PairSentences,
    learn_gene_vectors,
    random_vectors,
    train_gene_vectors,
)
from rnalearner.shards.read import ShardStore
from tests.rnalearner.model.two_modules import GENES, MODULE, write_two_modules

CONFIG = Gene2vecConfig(min_correlation=0.6, max_pairs_per_gene=8, epochs=20, seed=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    return write_two_modules(tmp_path_factory.mktemp("gene2vec") / "shards")


def cosines(vectors_gd: np.ndarray) -> np.ndarray:
    unit_gd = vectors_gd / np.linalg.norm(vectors_gd, axis=1, keepdims=True)
    return unit_gd @ unit_gd.T


def test_genes_of_a_module_end_up_together(store: ShardStore) -> None:
    sketch = ResidualSketch.of(store, np.arange(store.n_obs), 4096, np.random.default_rng(1))
    vectors = learn_gene_vectors(sketch, store.gene_set, CONFIG, dim=16)
    cosine_gg = cosines(vectors.vectors_gd)
    first, second = slice(0, MODULE), slice(MODULE, 2 * MODULE)
    off_diagonal = ~np.eye(MODULE, dtype=bool)
    inside = min(cosine_gg[part, part][off_diagonal].mean() for part in (first, second))
    assert inside > 0.5 > cosine_gg[first, second].mean() + 0.4
    known = vectors.vectors_gd[: 2 * MODULE]
    assert np.mean(known**2) == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-4)
    # The ten that differ between studies only are unknown, and told apart all the same.
    assert vectors.n_unknown == 10
    assert np.abs(cosine_gg[30:, 30:] - np.eye(10)).max() < 0.9
    assert 0.5 < np.mean(vectors.vectors_gd[30:] ** 2) < 1.5
    np.testing.assert_array_equal(vectors.learned(), np.arange(len(GENES)) < 2 * MODULE)


def test_no_pair_at_all_leaves_random_vectors() -> None:
    vectors = train_gene_vectors(np.empty((0, 2), np.int64), GENES, CONFIG, 8)
    assert vectors.n_unknown == len(GENES)
    np.testing.assert_array_equal(vectors.vectors_gd, random_vectors(GENES, 8, CONFIG.seed))
    assert not vectors.learned().any()


@pytest.mark.parametrize("block", [1, 5, 8192])
def test_sentences_are_those_of_a_shuffled_list_in_every_pass(block: int) -> None:
    pairs_p2 = np.array([[i, j] for i in range(9) for j in range(i + 1, 9)])
    both = np.concatenate([pairs_p2, pairs_p2[:, ::-1]])
    shuffled = np.random.default_rng(3).permutation(both).astype(str).tolist()
    sentences = PairSentences(pairs_p2, 3, block)
    assert list(sentences) == shuffled == list(sentences)
    assert list(PairSentences(pairs_p2, 4, block)) != shuffled


def test_the_same_seed_gives_the_same_bits_in_another_process() -> None:
    pairs_p2 = np.array([[i, j] for i in range(12) for j in range(i + 1, 12) if (i < 6) == (j < 6)])
    here = train_gene_vectors(pairs_p2, GENES, CONFIG, 8).vectors_gd
    other = train_gene_vectors(pairs_p2, GENES, CONFIG.model_copy(update={"seed": 2}), 8).vectors_gd
    assert (here != other).any()
    code = (
        "import sys, numpy as np\n"
        "from rnalearner.config import Gene2vecConfig\n"
        "from rnalearner.counts.genes import GeneSet\n"
        "from rnalearner.model.gene2vec import train_gene_vectors\n"
        f"pairs_p2 = np.array({pairs_p2.tolist()})\n"
        f"config = Gene2vecConfig.model_validate_json({CONFIG.model_dump_json()!r})\n"
        f"made = train_gene_vectors(pairs_p2, GeneSet({GENES.ids!r}), config, 8)\n"
        "sys.stdout.buffer.write(made.vectors_gd.tobytes())\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment
    ).stdout
    assert there == here.tobytes()


def test_vectors_come_back_by_gene_id(tmp_path: Path) -> None:
    vectors_gd = np.arange(len(GENES) * 4, dtype=np.float32).reshape(-1, 4)
    GeneVectors(vectors_gd, GENES, 3, {"seed": 5}).save(tmp_path / "v")
    whole = GeneVectors.load(tmp_path / "v")
    assert (whole.gene_set, whole.n_unknown, whole.about, whole.dim) == (GENES, 3, {"seed": 5}, 4)
    np.testing.assert_array_equal(whole.vectors_gd, vectors_gd)
    wanted = GeneSet((GENES.ids[7], "ENSMUSG99999999999", GENES.ids[2]))
    aligned = GeneVectors.load(tmp_path / "v", wanted, dim=4)
    np.testing.assert_array_equal(aligned.vectors_gd[[0, 2]], vectors_gd[[7, 2]])
    assert (aligned.n_unknown, aligned.gene_set) == (1, wanted)
    np.testing.assert_array_equal(aligned.vectors_gd[1], random_vectors(wanted, 4)[1])
    assert aligned.learned().tolist() == [True, False, True]


def test_vectors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    GeneVectors(np.ones((len(GENES), 4), np.float32), GENES).save(tmp_path / "v")
    with pytest.raises(CheckpointError, match="4 dimensions where the model has 8"):
        GeneVectors.load(tmp_path / "v", dim=8)
    with pytest.raises(CheckpointError, match="no vector for human"):
        GeneVectors.load(tmp_path / "v", GeneSet(("human",)))
    save_checkpoint(tmp_path / "other", {"weight": torch.zeros(2)}, {})
    with pytest.raises(CheckpointError, match="does not hold"):
        GeneVectors.load(tmp_path / "other")
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        GeneVectors.load(tmp_path / "absent")


def test_a_random_vector_depends_on_the_gene_and_the_seed_only() -> None:
    one = random_vectors(GeneSet(("a", "b")), 6)
    np.testing.assert_array_equal(one[1], random_vectors(GeneSet(("b", "c", "a")), 6)[0])
    assert (one[0] != one[1]).all()
    assert (one != random_vectors(GeneSet(("a", "b")), 6, seed=1)).all()
