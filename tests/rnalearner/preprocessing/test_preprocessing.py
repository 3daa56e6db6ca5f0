"""Counts -> bins, against values worked out by hand or by another route."""

import math

import numpy as np
import pandas as pd
import pytest

from rnalearner.config.preprocessing import PreprocessingConfig
from rnalearner.preprocessing.binning import BinVocabulary, to_tokens
from rnalearner.preprocessing.normalize import Scale, log2p1_cp10k, log2p1_cpm, scaled
from rnalearner.preprocessing.pipeline import tokens, values
from rnalearner.preprocessing.qc import quality


def test_cpm_divides_by_the_total_of_the_file_not_of_the_panel():
    counts_ng = np.array([[1, 6, 0]], dtype=np.float32)
    scaled_ng = log2p1_cpm(counts_ng, np.array([2e6]))
    np.testing.assert_allclose(scaled_ng, [[math.log2(1.5), 2, 0]], rtol=1e-7)
    assert scaled_ng.dtype == np.float32


def test_cp10k_divides_by_the_total_of_the_measured_panel():
    counts_ng = np.array([[1, 3, np.nan]], dtype=np.float32)
    expected = [[math.log2(1 + 2500), math.log2(1 + 7500), math.nan]]
    np.testing.assert_allclose(log2p1_cp10k(counts_ng), expected, rtol=1e-7)


def test_a_sample_without_reads_is_all_zero():
    zero = np.zeros((1, 3), dtype=np.float32)
    np.testing.assert_array_equal(log2p1_cpm(zero, np.zeros(1)), zero)
    np.testing.assert_array_equal(log2p1_cp10k(zero), zero)


def test_a_new_sample_never_changes_an_old_one():
    rng = np.random.default_rng(0)
    counts_ng = rng.poisson(20, (3, 50)).astype(np.float32)
    total_n = counts_ng.sum(axis=1)
    for name in ("log2p1_cpm", "log2p1_cp10k"):
        np.testing.assert_array_equal(
            scaled(counts_ng, total_n, name)[:1], scaled(counts_ng[:1], total_n[:1], name)
        )


def test_an_unknown_scale_is_no_scale():
    with pytest.raises(ValueError, match="no scale 'tpm'"):
        scaled(np.ones((1, 1)), np.ones(1), "tpm")


def test_a_cpm_of_two_to_the_k_minus_one_is_exactly_bin_k():
    """In float32, or divided before multiplied, some of these fall just below."""
    k = np.arange(1, 20)
    for reads in (3, 7, 13, 41):
        counts_ng = (reads * (2.0**k - 1)).astype(np.float32)[None]
        got = to_tokens(log2p1_cpm(counts_ng, np.array([reads * 1e6])), BinVocabulary(20))
        np.testing.assert_array_equal(got[0], k)


def test_mask_and_pad_are_neither_bins_nor_each_other():
    vocabulary = BinVocabulary(20)
    assert len({*range(20), vocabulary.mask, vocabulary.pad}) == 22 == vocabulary.size


@pytest.mark.parametrize("n_bins", [1, 255])
def test_bins_must_fit_a_byte(n_bins):
    with pytest.raises(ValueError, match="n_bins"):
        BinVocabulary(n_bins)


def test_tokens_are_floors_clipped_to_the_last_bin_and_nan_is_pad():
    got = to_tokens(np.array([[0, 0.99, 1, 6.99, 7, 30, np.nan]], dtype=np.float32), BinVocabulary(8))
    assert got.dtype == np.uint8
    assert got.tolist() == [[0, 0, 1, 6, 7, 7, 9]]


def test_the_pipeline_is_scale_then_bins():
    config = PreprocessingConfig(n_bins=8)
    counts_ng = np.array([[1, 0, np.nan, 9e5]], dtype=np.float32)
    np.testing.assert_allclose(values(counts_ng, np.array([1e6]), config)[0, :2], [1, 0])
    assert tokens(counts_ng, np.array([1e6]), config).tolist() == [[1, 0, 9, 7]]
    assert Scale.of(config).as_dict() == {"name": "log2p1_cpm", "n_bins": 8}


def test_samples_with_too_few_expressed_genes_go_with_a_reason():
    obs = pd.DataFrame({"n_expressed": [199, 200, 0]}, index=["a", "b", "c"])
    keep_n, drops = quality(obs, PreprocessingConfig())
    assert keep_n.tolist() == [False, True, False]
    assert [drop.sample for drop in drops] == ["a", "c"]
    assert drops[0].reason == "expresses 199 genes, fewer than 200"
