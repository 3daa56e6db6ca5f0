import math
from collections import Counter

import numpy as np
import pytest

from rnalearner.pretrain.baselines import bin_histogram, log_frequencies, trivial_score

PAD = 5  # n_bins 4


def test_the_histogram_counts_each_genes_bins_over_batches_without_pad():
    first_ng = np.array([[0, 3, PAD], [1, 3, 2]], np.uint8)
    second_ng = np.array([[1, 3, PAD]], np.uint8)
    histogram_gb = bin_histogram([first_ng, second_ng], 3, 4)
    assert histogram_gb.tolist() == [[1, 2, 0, 0], [0, 0, 0, 3], [0, 0, 1, 0]]


def test_log_frequencies_are_smoothed_shares_of_the_non_zero_bins():
    log_gb = log_frequencies(np.array([[90, 2, 0, 1]]))
    assert np.exp(log_gb[0, 1:]) == pytest.approx([3 / 6, 1 / 6, 2 / 6])
    assert np.exp(log_gb[0, 0]) < 1e-8


def test_predictors_score_as_counted_by_hand():
    # Gene 0 is mostly bin 1, gene 1 always 3, gene 2 was never above zero; bin 1 is the commonest.
    histogram_gb = np.array([[50, 6, 1, 0], [0, 0, 0, 4], [9, 0, 0, 0]])
    positions = [(np.array([0, 0, 1]), np.array([1, 2, 3])), (np.array([2]), np.array([1]))]
    score = trivial_score(histogram_gb, positions)
    assert score.commonest_accuracy == 2 / 4  # the 1 of gene 0 and the 1 of gene 2
    assert score.mode_accuracy == 3 / 4  # all but the 2; gene 2 falls back to bin 1
    assert score.n_masked == 4
    marginal = [7 / 14, 2 / 14, 5 / 14, 7 / 14]
    own = [7 / 10, 2 / 10, 5 / 7, 1 / 3]
    assert score.commonest_loss == pytest.approx(-sum(map(math.log, marginal)) / 4)
    assert score.mode_loss == pytest.approx(-sum(map(math.log, own)) / 4)


def test_bin_zero_is_never_a_prediction_though_it_is_the_commonest_of_all():
    score = trivial_score(np.array([[100, 1, 2, 0]]), [(np.zeros(3, int), np.array([2, 2, 1]))])
    assert score.commonest_accuracy == score.mode_accuracy == pytest.approx(2 / 3)


def test_the_mode_agrees_with_a_plain_count():
    rng = np.random.default_rng(0)
    bins_ng = rng.integers(0, 4, (60, 5)).astype(np.uint8)
    gene_m, label_m = np.repeat(np.arange(5), 8), rng.integers(1, 4, 40)
    score = trivial_score(bin_histogram([bins_ng], 5, 4), [(gene_m, label_m)])
    modes = [Counter(sorted(b for b in bins_ng[:, g] if b)).most_common(1)[0][0] for g in range(5)]
    right = sum(modes[g] == label for g, label in zip(gene_m, label_m, strict=True))
    assert score.mode_accuracy == right / 40
