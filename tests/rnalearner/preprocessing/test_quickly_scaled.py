import numpy as np
import pytest

from rnalearner.preprocessing.normalize import quickly_scaled, scaled


@pytest.mark.parametrize("name", ["log2p1_cpm", "log2p1_cp10k"])
def test_it_is_the_scale_to_six_digits_in_the_counts_own_memory(name: str):
    rng = np.random.default_rng(0)
    counts_ng = rng.poisson(2.0 ** rng.uniform(-2, 20, (50, 40))).astype(np.float32)
    counts_ng[3] = 0
    counts_ng[5, 7] = np.nan
    total_n = 2 * np.nansum(counts_ng, axis=1, dtype=np.float64)
    exact_ng = scaled(counts_ng, total_n, name)
    quick_ng = quickly_scaled(counts_ng, total_n, name)
    np.testing.assert_allclose(quick_ng, exact_ng, rtol=2e-6, atol=2e-6)
    assert quick_ng is counts_ng
    assert (quick_ng[exact_ng == 0] == 0).all()


def test_another_scale_is_refused():
    with pytest.raises(ValueError, match="tpm"):
        quickly_scaled(np.ones((1, 1), np.float32), np.ones(1), "tpm")
