import numpy as np
import pytest

from rnalearner.config import ModelConfig
from rnalearner.config.model import Gene2vecConfig
from rnalearner.model.co_expression import ResidualSketch
from rnalearner.model.covariance import Covariance, covariance_vectors, units_of_spread
from rnalearner.model.gene2vec import GeneVectors
from rnalearner.shards.read import ShardStore
from tests.toy_corpus import N_GENES, write_toy_corpus


def test_directions_and_variances_are_those_of_the_samples():
    rng = np.random.default_rng(0)
    true_gk = np.linalg.qr(rng.standard_normal((40, 2)))[0]
    units_ng = (rng.standard_normal((500, 2)) * [5, 3]) @ true_gk.T
    found = Covariance.of(units_ng, 10)
    assert found.loadings_gk.shape == (40, 2)  # there are no more
    np.testing.assert_allclose(np.abs(np.diag(found.loadings_gk.T @ true_gk)), 1, atol=0.02)
    assert found.variance_k == pytest.approx([25, 9], rel=0.2)


def test_a_hidden_gene_is_predicted_as_the_normal_distribution_says():
    rng = np.random.default_rng(1)
    covariance = Covariance.of(rng.standard_normal((50, 6)) @ rng.standard_normal((6, 6)), 6)
    full_gg = covariance.loadings_gk * covariance.variance_k @ covariance.loadings_gk.T + np.eye(6)
    units_ng, seen_ng = rng.standard_normal((1, 6)), np.array([[True, True, False, True, True, False]])
    seen = seen_ng[0]
    expected = full_gg[np.ix_(~seen, seen)] @ np.linalg.solve(full_gg[np.ix_(seen, seen)], units_ng[0, seen])
    np.testing.assert_allclose(covariance.predict(units_ng, seen_ng)[0, ~seen], expected, rtol=1e-4)


def test_a_gene_that_does_not_vary_has_a_unit_above_zero():
    assert units_of_spread(np.array([0.0, 1.0, 3.0])).tolist() == [0.5, 1.5, 3.5]
    assert units_of_spread(np.zeros(2)).tolist() == [1, 1]


def vectors_of(store: ShardStore, rows: np.ndarray, dim: int) -> GeneVectors:
    sketch = ResidualSketch.of(store, rows, 4096, np.random.default_rng(0))
    return covariance_vectors(sketch, store.gene_set, Gene2vecConfig(method="covariance"), dim)


def test_gene_vectors_of_one_module_are_alike_and_of_different_modules_are_not(tmp_path):
    store = write_toy_corpus(tmp_path / "shards")
    vectors = vectors_of(store, np.arange(48), 3)
    assert np.mean(vectors.vectors_gd**2) == pytest.approx(1)
    unit_gd = vectors.vectors_gd / np.linalg.norm(vectors.vectors_gd, axis=1, keepdims=True)
    cosine_gg = unit_gd @ unit_gd.T
    same_gg = np.equal.outer(np.arange(N_GENES) % 3, np.arange(N_GENES) % 3)
    assert cosine_gg[same_gg].mean() > 0.95
    assert np.abs(cosine_gg[~same_gg]).mean() < 0.2


def test_directions_beyond_what_the_samples_have_are_zero(tmp_path):
    store = write_toy_corpus(tmp_path / "shards")
    vectors = vectors_of(store, np.arange(8), 12)
    assert (vectors.vectors_gd[:, :7] != 0).any(0).all()  # 8 samples of one study, centred
    assert (vectors.vectors_gd[:, 7:] == 0).all()
    assert vectors.dim == 12 >= ModelConfig(dim=12).dim
