from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnalearner.config import PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.each import threads
from rnalearner.model import co_expression
from rnalearner.model.co_expression import ResidualSketch, co_expressed_pairs
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter
from tests.rnalearner.model.two_modules import GENES, N_STUDIES, N, write_two_modules

ROWS = np.arange(N_STUDIES * N)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    return write_two_modules(tmp_path_factory.mktemp("two_modules") / "shards")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> ShardStore:
    """3,000 samples of 6 studies; 20 modules of 10 genes, r = .8 inside and 0 between them."""
    rng = np.random.default_rng(5)
    genes = GeneSet(tuple(f"ENSMUSG{i:011d}" for i in range(200)))
    folder = tmp_path_factory.mktemp("many") / "shards"
    with ShardWriter(folder, genes, PreprocessingConfig(), ShardConfig(rows_per_group=128)) as writer:
        for study, n in enumerate((1200, 30, 900, 40, 430, 400)):
            activity_n20 = 2 * rng.standard_normal((n, 20)).repeat(10, axis=1)
            log_ng = 14 + rng.normal(0, 2, 200) + activity_n20 + rng.standard_normal((n, 200))
            obs = {"sample": [f"{study}-{i}" for i in range(n)], "study": f"S{study}", "modality": "bulk"}
            obs |= {"subject": "", "tissue": "", "total": np.full(n, 1e6), "n_expressed": 200}
            writer.add(np.round(2**log_ng).astype(np.float32), pd.DataFrame(obs))
    return ShardStore.open(folder)


def sketch(store: ShardStore, n_rows: int, seed: int = 0, **options: object) -> ResidualSketch:
    rows = np.arange(store.n_obs)
    return ResidualSketch.of(store, rows, n_rows, np.random.default_rng(seed), **options)


def correlations(residuals_rg: np.ndarray) -> np.ndarray:
    unit_rg = residuals_rg / np.linalg.norm(residuals_rg, axis=0)
    return unit_rg.T @ unit_rg


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


def test_few_samples_are_kept_as_their_residuals_from_pandas_means_of_studies(store: ShardStore) -> None:
    found = sketch(store, len(ROWS))
    by_study = found.residuals_rg.reshape(N_STUDIES, N, -1)
    np.testing.assert_allclose(by_study.mean(axis=1), 0, atol=1e-5)
    values = pd.DataFrame(store.values(ROWS))
    centred = values - values.groupby(store.obs["study"]).transform("mean")
    np.testing.assert_allclose(found.residuals_rg[:, :38], centred.iloc[:, :38], atol=1e-4)
    np.testing.assert_allclose(found.residuals_rg[:, 39], centred[39].fillna(0), atol=1e-4)
    assert (found.residuals_rg[:, 38] == 0).all()  # above zero in one sample
    np.testing.assert_allclose(found.mean_g, values.mean(), rtol=1e-5)
    assert found.n_samples == len(ROWS)


def test_samples_are_drawn_by_whole_studies(store: ShardStore) -> None:
    found = sketch(store, 1000, max_samples=2 * N)
    assert found.residuals_rg.shape == (2 * N, len(GENES))
    np.testing.assert_allclose(found.residuals_rg.reshape(2, N, -1).mean(axis=1), 0, atol=1e-5)
    others = {sketch(store, 1000, seed, max_samples=2 * N).mean_g[30] for seed in range(8)}
    assert len(others) > 1


@pytest.mark.parametrize("piece", [3, 7, 25, 1000])
@pytest.mark.parametrize("n_rows", [16, 80])
def test_residuals_are_the_same_in_pieces_of_any_size(
    store: ShardStore, monkeypatch: pytest.MonkeyPatch, piece: int, n_rows: int
) -> None:
    whole = sketch(store, n_rows)
    monkeypatch.setattr(co_expression, "PIECE_SAMPLES", piece)
    parts = sketch(store, n_rows)
    np.testing.assert_allclose(parts.residuals_rg, whole.residuals_rg, atol=2e-5)
    np.testing.assert_allclose(parts.mean_g, whole.mean_g, rtol=1e-6)


def test_a_study_whose_samples_lie_apart_is_centred_as_one(store: ShardStore) -> None:
    # As in a store that grew: S0 comes first and last.
    rows = np.concatenate([ROWS[:10], ROWS[20:40], ROWS[10:20]])
    place = np.argsort(rows)
    apart = ResidualSketch.of(store, rows, 1000, np.random.default_rng(0))
    together = ResidualSketch.of(store, rows[place], 1000, np.random.default_rng(0))
    np.testing.assert_array_equal(apart.residuals_rg, together.residuals_rg)


def test_threads_give_the_same_bits(many: ShardStore) -> None:
    one, three = (sketch(many, 64, each=each) for each in (threads(1), threads(3)))
    np.testing.assert_array_equal(one.residuals_rg, three.residuals_rg)
    np.testing.assert_array_equal(one.mean_g, three.mean_g)


@pytest.mark.parametrize("n_rows", [128, 512, 2048])
def test_a_sketch_is_right_to_one_over_the_root_of_its_rows(many: ShardStore, n_rows: int) -> None:
    exact_gg = correlations(sketch(many, many.n_obs).residuals_rg)
    inside = np.equal.outer(np.arange(200) // 10, np.arange(200) // 10) & ~np.eye(200, dtype=bool)
    assert exact_gg[inside].mean() == pytest.approx(0.8, abs=0.01)
    found = sketch(many, n_rows)
    assert found.residuals_rg.shape == (n_rows, 200)
    error_gg = correlations(found.residuals_rg) - exact_gg
    outside = ~np.equal.outer(np.arange(200) // 10, np.arange(200) // 10)
    # The docstring's (1 - r²) / sqrt(rows), of pairs that do not correlate and of those that do.
    assert np.sqrt(np.mean(error_gg[outside] ** 2)) < 1.1 / np.sqrt(n_rows)
    assert np.sqrt(np.mean(error_gg[inside] ** 2)) < 1.2 * (1 - 0.8**2) / np.sqrt(n_rows)
    assert np.sqrt(np.mean(error_gg[outside] ** 2)) > 0.3 / np.sqrt(n_rows)  # it is a sketch


def test_a_sketch_finds_the_true_pairs_and_hardly_any_other(many: ShardStore) -> None:
    pairs_p2, _ = co_expressed_pairs(sketch(many, 256).residuals_rg, 0.5, 9)
    true = sum(first // 10 == second // 10 for first, second in pairs_p2.tolist())
    assert true / (20 * 45) > 0.99  # recall of all pairs inside modules
    assert true / len(pairs_p2) > 0.99


def test_a_sketch_keeps_the_scale_of_one_sample(many: ShardStore) -> None:
    exact, small = sketch(many, many.n_obs), sketch(many, 512)
    spread = small.residuals_rg.std(0) / exact.residuals_rg.std(0)
    assert spread.mean() == pytest.approx(1, abs=0.02)
    assert (small.n_samples, exact.n_samples) == (3000, 3000)


def test_another_seed_sums_other_samples(many: ShardStore) -> None:
    first, again, other = (sketch(many, 64, seed).residuals_rg for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_more_than_a_few_pieces_are_in_memory(
    many: ShardStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    values = ShardStore.values
    monkeypatch.setattr(ShardStore, "values", lambda self, rows: asked.append(rows) or values(self, rows))
    sketch(many, 64)
    assert max(map(len, asked)) <= co_expression.PIECE_SAMPLES
    assert len(np.concatenate(asked)) == 2 * many.n_obs - 30 - 40  # small studies are read once
    assert all((np.diff(rows) > 0).all() for rows in asked)
