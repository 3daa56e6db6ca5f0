import numpy as np
import pytest

from rnalearner.guide.spread import ResidualSpread

SPREAD_G = np.array([0.1, 1.0, 3.0])


def study(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Two labels, far apart; a level of its own."""
    rng = np.random.default_rng(seed)
    labels_n = np.array(["a", "b"])[np.arange(n) % 2]
    return seed + 9.0 * (labels_n == "b")[:, None] + SPREAD_G * rng.standard_normal((n, 3)), labels_n


def test_what_labels_and_studies_do_is_removed():
    spread = ResidualSpread(3)
    for seed in range(3):
        spread.add(*study(seed))
    np.testing.assert_allclose(spread.residual(), SPREAD_G, rtol=0.06)


def test_tiny_groups_are_no_tighter_than_large_ones():
    """Of two samples a group, half of the squares are lost to the means: degrees of freedom, not samples."""
    spread = ResidualSpread(3)
    for seed in range(200):
        spread.add(*study(seed, n=4))
    np.testing.assert_allclose(spread.residual(), SPREAD_G, rtol=0.12)


def test_labels_that_never_repeat_are_none():
    values_ng, _ = study(0)
    spread = ResidualSpread(3)
    spread.add(values_ng, np.array([f"sample {i}" for i in range(len(values_ng))]))
    assert spread.residual()[0] == pytest.approx(4.5, rel=0.02)  # half of the labels' distance


def test_a_gene_counts_where_it_is_measured_and_has_none_elsewhere():
    first_ng, labels_n = study(0)
    second_ng, _ = study(1)
    first_ng[:, 0] = np.nan
    first_ng[5, 1] = np.nan
    second_ng[:, 2] = np.nan
    alone, both = ResidualSpread(3), ResidualSpread(3)
    alone.add(second_ng, labels_n)
    both.add(first_ng, labels_n)
    assert np.isnan(both.residual()).tolist() == [True, True, False]
    both.add(second_ng, labels_n)
    assert both.residual()[:2].tolist() == alone.residual()[:2].tolist()
