import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rnalearner.checkpoint import save_checkpoint
from rnalearner.config import Gene2vecConfig, PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.model.gene2vec import (
    GeneVectors,
    co_expressed_pairs,
    learn_gene_vectors,
    random_vectors,
    study_residuals,
    train_gene_vectors,
)
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

N_STUDIES, N, MODULE = 4, 20, 15
GENES = GeneSet(tuple(f"ENSMUSG{i:011d}" for i in range(2 * MODULE + 10)))
CONFIG = Gene2vecConfig(min_correlation=0.6, max_pairs_per_gene=8, epochs=20, seed=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    """Two modules of 15 genes that vary within studies, and 10 genes that only differ between them.

    Gene 38 is above zero in one sample only, gene 39 is measured in none of study 1 to 3.
    """
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("gene2vec") / "shards"
    with ShardWriter(folder, GENES, PreprocessingConfig(), ShardConfig(rows_per_group=8)) as writer:
        for study in range(N_STUDIES):
            activity_n2 = rng.normal(size=(N, 2))
            log_ng = 8 + 0.3 * rng.normal(size=(N, len(GENES)))
            log_ng[:, :MODULE] += activity_n2[:, :1]
            log_ng[:, MODULE : 2 * MODULE] += activity_n2[:, 1:]
            log_ng[:, 2 * MODULE :] += 3 * (study % 2)
            counts_ng = np.round(2**log_ng).astype(np.float32)
            counts_ng[:, 38] = 0
            counts_ng[0, 38] = 500 * (study == 0)
            counts_ng[:, 39] = counts_ng[:, 0] if study == 0 else np.nan
            obs = {"sample": [f"{study}-{i}" for i in range(N)], "study": f"SRP{study}", "modality": "bulk"}
            obs |= {"subject": "", "tissue": "", "total": np.full(N, 1e6), "n_expressed": 30}
            writer.add(counts_ng, pd.DataFrame(obs))
    return ShardStore.open(folder)


ROWS = np.arange(N_STUDIES * N)


def cosines(vectors_gd: np.ndarray) -> np.ndarray:
    unit_gd = vectors_gd / np.linalg.norm(vectors_gd, axis=1, keepdims=True)
    return unit_gd @ unit_gd.T


@pytest.mark.parametrize("block", [1, 7, 512])
def test_pairs_by_blocks_are_those_of_the_whole_correlation_matrix(block: int) -> None:
    rng = np.random.default_rng(0)
    x_ng = (rng.normal(size=(50, 4)) @ rng.normal(size=(4, 30)) + rng.normal(size=(50, 30))).astype(
        np.float32
    )
    x_ng -= x_ng.mean(axis=0)
    pairs_p2, r_p = co_expressed_pairs(x_ng, 0.3, 5, block)
    r_gg = np.corrcoef(x_ng, rowvar=False)
    np.fill_diagonal(r_gg, -1)
    expected = {
        (min(i, j), max(i, j)) for i in range(30) for j in np.argsort(-r_gg[i])[:5] if r_gg[i, j] >= 0.3
    }
    assert [tuple(pair) for pair in pairs_p2.tolist()] == sorted(expected)
    np.testing.assert_allclose(r_p, r_gg[tuple(pairs_p2.T)], atol=1e-5)


def test_opposite_and_constant_genes_have_no_partner() -> None:
    x_n = np.linspace(-1, 1, 9, dtype=np.float32)
    pairs_p2, _ = co_expressed_pairs(np.stack([x_n, -x_n, 0 * x_n, x_n**3], axis=1), 0.5, 4)
    assert pairs_p2.tolist() == [[0, 3]]


def test_residuals_hold_nothing_between_studies(store: ShardStore) -> None:
    residuals_ng = study_residuals(store, ROWS, 1000, np.random.default_rng(0))
    by_study = residuals_ng.reshape(N_STUDIES, N, -1)
    np.testing.assert_allclose(by_study.mean(axis=1), 0, atol=1e-5)
    # Another way to the same: pandas' own means by study, for genes measured everywhere.
    values = pd.DataFrame(store.values(ROWS)[:, :38])
    centred = values - values.groupby(store.obs["study"]).transform("mean")
    np.testing.assert_allclose(np.sort(residuals_ng[:, :38], axis=0), np.sort(centred, axis=0), atol=1e-4)
    assert (residuals_ng[:, 38] == 0).all()  # above zero in one sample
    assert (residuals_ng[:, 39] != 0).sum() == N  # measured in one study


def test_samples_are_drawn_by_whole_studies(store: ShardStore) -> None:
    residuals_ng = study_residuals(store, ROWS, 2 * N, np.random.default_rng(0))
    assert residuals_ng.shape == (2 * N, len(GENES))
    np.testing.assert_allclose(residuals_ng[:N].mean(axis=0), 0, atol=1e-5)


def test_genes_of_a_module_end_up_together(store: ShardStore) -> None:
    vectors = learn_gene_vectors(store, ROWS, CONFIG, dim=16)
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


def test_no_pair_at_all_leaves_random_vectors() -> None:
    vectors = train_gene_vectors(np.empty((0, 2), np.int64), GENES, CONFIG, 8)
    assert vectors.n_unknown == len(GENES)
    np.testing.assert_array_equal(vectors.vectors_gd, random_vectors(GENES, 8, CONFIG.seed))


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
