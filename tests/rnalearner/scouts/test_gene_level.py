import numpy as np
import pytest
from scipy.stats import ttest_ind

from rnalearner.scouts.gene_level import PRIOR_SAMPLES, squared_moderated_t


def test_without_differing_variances_it_is_student_s_t_of_more_degrees():
    """Every gene has the same variance, which is then the prior's too: moderation changes nothing."""
    rng = np.random.default_rng(0)
    pattern_n = rng.standard_normal(9)
    is_b_n = np.arange(9) >= 5
    pattern_n[is_b_n] -= pattern_n[is_b_n].mean()
    pattern_n[~is_b_n] -= pattern_n[~is_b_n].mean()
    shift_g = np.array([0.0, 0.5, -2.0, 3.0])
    values_ng = pattern_n[:, None] + is_b_n[:, None] * shift_g
    expected_g = ttest_ind(values_ng[is_b_n], values_ng[~is_b_n]).statistic ** 2
    np.testing.assert_allclose(squared_moderated_t(values_ng, is_b_n), expected_g, atol=1e-12)


def test_a_gene_s_variance_is_shrunk_towards_the_mean_variance():
    rng = np.random.default_rng(1)
    values_ng = rng.standard_normal((6, 50)) * rng.uniform(0.1, 3, 50)
    is_b_n = np.array([0, 1, 0, 1, 1, 1], bool)
    a_ng, b_ng = values_ng[~is_b_n], values_ng[is_b_n]
    own_g = (a_ng.var(0) * 2 + b_ng.var(0) * 4) / 4
    shrunk_g = (PRIOR_SAMPLES * own_g.mean() + 4 * own_g) / (PRIOR_SAMPLES + 4)
    expected_g = (b_ng.mean(0) - a_ng.mean(0)) ** 2 / (shrunk_g * (1 / 2 + 1 / 4))
    np.testing.assert_allclose(squared_moderated_t(values_ng, is_b_n), expected_g)


def test_which_group_is_called_b_does_not_matter():
    values_ng = np.random.default_rng(2).standard_normal((8, 20))
    is_b_n = np.arange(8) < 3
    np.testing.assert_allclose(
        squared_moderated_t(values_ng, is_b_n), squared_moderated_t(values_ng, ~is_b_n)
    )


def test_an_unmeasured_gene_has_no_t_and_does_not_touch_the_others():
    values_ng = np.random.default_rng(3).standard_normal((8, 20))
    is_b_n = np.arange(8) < 4
    alone_g = squared_moderated_t(values_ng[:, 1:], is_b_n)
    values_ng[2, 0] = np.nan
    t2_g = squared_moderated_t(values_ng, is_b_n)
    assert np.isnan(t2_g[0])
    np.testing.assert_allclose(t2_g[1:], alone_g)


def test_genes_that_do_not_vary_have_no_evidence():
    assert squared_moderated_t(np.ones((6, 3)), np.arange(6) < 3).tolist() == [0, 0, 0]


def test_an_empty_group_is_no_contrast():
    with pytest.raises(ValueError, match="a contrast of 4 against 0 samples"):
        squared_moderated_t(np.ones((4, 2)), np.zeros(4, bool))
