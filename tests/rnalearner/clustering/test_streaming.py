"""Components of a toy that lies in memory as a whole, so that scikit-learn can say what they are."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.decomposition import PCA

from rnalearner.clustering.pieces import batches, gathered, pieces
from rnalearner.clustering.streaming import streamed_components, streamed_scores
from rnalearner.each import one_by_one, threads
from rnalearner.errors import CountsError

N, G, K = 3000, 400, 12


class Table:
    """A Read of a table; it remembers what it was asked for."""

    def __init__(self, values_ng: np.ndarray) -> None:
        self.values_ng, self.most = values_ng, 0

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        self.most = max(self.most, len(rows))
        return self.values_ng[rows].astype(np.float32)


def spread(n: int = N, missing: float = 0.0) -> np.ndarray:
    """Samples along 20 directions, each of which spreads them less than the one before, in noise."""
    rng = np.random.default_rng(0)
    along_kg = np.linalg.qr(rng.standard_normal((G, 20)))[0].T
    values_ng = 6 + (rng.standard_normal((n, 20)) * 12 * 0.85 ** np.arange(20)) @ along_kg
    values_ng += 0.4 * rng.standard_normal((n, G))
    values_ng[rng.random((n, G)) < missing] = np.nan
    return values_ng


def whole_groups(n: int, size: int = 32) -> list[np.ndarray]:
    return pieces(np.arange(n), np.arange(0, n + size, size))


def centred(values_ng: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values_ng - np.nanmean(values_ng, axis=0), nan=0.0)


@pytest.mark.parametrize("missing", [0.0, 0.2], ids=["all measured", "a fifth not measured"])
def test_they_are_those_of_a_full_decomposition(missing: float):
    values_ng = spread(missing=missing)
    table = Table(values_ng)
    rng = np.random.default_rng(1)
    fit = streamed_components(table, whole_groups(N), K, rng, start_rows=150, each=threads(2))
    exact = PCA(K, svd_solver="full").fit(centred(values_ng))
    made = fit.components
    assert 2 <= fit.passes <= 8
    np.testing.assert_allclose(made.mean_g, np.nanmean(values_ng, axis=0), atol=1e-5)
    scores_nk = streamed_scores(table, whole_groups(N), made)
    singular_k = np.linalg.norm(scores_nk.astype(np.float64), axis=0)
    np.testing.assert_allclose(singular_k, exact.singular_values_, rtol=1e-3)
    np.testing.assert_allclose(made.variance_share_k, exact.explained_variance_ratio_, rtol=2e-3)
    cosines_k = np.linalg.svd(made.axes_kg @ exact.components_.T, compute_uv=False)
    assert cosines_k.min() > np.cos(np.radians(2))
    np.testing.assert_allclose(made.axes_kg @ made.axes_kg.T, np.eye(K), atol=1e-5)
    assert table.most <= 128  # never more in memory than a batch


def test_the_bits_are_the_same_for_any_number_of_workers():
    table = Table(spread(1500, missing=0.1))
    made = [
        streamed_components(table, whole_groups(1500), 5, np.random.default_rng(3), start_rows=100, each=each)
        for each in (one_by_one, threads(2), threads(5))
    ]
    for other in made[1:]:
        np.testing.assert_array_equal(other.components.axes_kg, made[0].components.axes_kg)
        np.testing.assert_array_equal(other.components.mean_g, made[0].components.mean_g)


def test_passes_end_when_the_variances_stand_still_and_say_how_still():
    table = Table(spread(1500))
    kwargs = {"start_rows": 60}
    few = streamed_components(table, whole_groups(1500), K, np.random.default_rng(1), max_passes=2, **kwargs)
    more = streamed_components(
        table, whole_groups(1500), K, np.random.default_rng(1), tolerance=1e-7, **kwargs
    )
    assert few.passes == 2
    assert few.passes < more.passes
    assert more.change < few.change


def test_samples_that_fit_in_memory_are_fitted_there():
    values_ng = spread(90)
    fit = streamed_components(Table(values_ng), whole_groups(90), 4, np.random.default_rng(1))
    assert (fit.passes, fit.change) == (0, 0.0)
    exact = PCA(4, svd_solver="full").fit(centred(values_ng))
    np.testing.assert_allclose(fit.components.variance_share_k, exact.explained_variance_ratio_, rtol=1e-3)


def test_components_shrink_where_genes_are_few_and_samples_alike():
    values_ng = np.outer(np.arange(400.0), [1.0, 2.0, 0.0])
    rng = np.random.default_rng(1)
    fit = streamed_components(Table(values_ng), whole_groups(400), 40, rng, start_rows=50)
    assert fit.components.axes_kg.shape == (3, 3)
    np.testing.assert_allclose(np.abs(fit.components.axes_kg[0]), np.array([1, 2, 0]) / 5**0.5, atol=1e-4)
    assert fit.components.variance_share_k[0] > 0.999


def test_no_sample_is_refused():
    with pytest.raises(CountsError, match="0 samples of 400 genes"):
        streamed_components(Table(spread(5)), [], 2, np.random.default_rng(1))


def test_a_sample_has_the_same_scores_whoever_is_read_with_it():
    values_ng = spread(700)
    table = Table(values_ng)
    made = streamed_components(table, whole_groups(700), K, np.random.default_rng(1)).components
    scores_nk = streamed_scores(table, whole_groups(700), made, each=threads(2))
    np.testing.assert_array_equal(made.project(values_ng[603:604].astype(np.float32)), scores_nk[603:604])
    np.testing.assert_array_equal(streamed_scores(table, whole_groups(611), made), scores_nk[:611])


def test_every_pass_is_told_of():
    told = []
    rows = whole_groups(2500)
    streamed_components(
        Table(spread(2500)),
        rows,
        3,
        np.random.default_rng(1),
        start_rows=50,
        max_passes=2,
        on_piece=lambda *said: told.append(said),
    )
    assert told == [
        (f"PCA pass {number}", done, 2500) for number in (1, 2) for done in np.cumsum([len(r) for r in rows])
    ]


def test_pieces_are_whole_row_groups_and_rows_behind_change_only_the_last():
    starts = np.arange(0, 4001, 40)
    rows = np.setdiff1d(np.arange(3300), np.arange(100, 300))
    cut = pieces(rows, starts)
    np.testing.assert_array_equal(np.concatenate(cut), rows)
    assert all(1024 <= len(piece) < 1024 + 40 for piece in cut[:-1])
    assert all(piece[0] // 40 > before[-1] // 40 for before, piece in pairwise(cut))
    grown = pieces(np.union1d(rows, np.arange(3300, 4000)), starts)
    for one, other in zip(cut[:-1], grown, strict=False):
        np.testing.assert_array_equal(one, other)
    assert pieces(np.empty(0, np.int64), starts) == []


def test_a_few_rows_are_gathered_in_their_order():
    values_ng = spread(300)
    rows = np.arange(299, 0, -2)
    np.testing.assert_array_equal(gathered(Table(values_ng), rows, threads(2)), values_ng[rows].astype("f4"))
    assert [len(batch) for batch in batches(rows)] == [128, 22]
