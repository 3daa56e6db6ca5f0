import numpy as np
import torch

from rnalearner.preprocessing.binning import BinVocabulary
from rnalearner.pretrain.masking import mask_bins, row_draws

VOCABULARY = BinVocabulary(5)  # bins 0-4, MASK 5, PAD 6


def toy_bins(n: int = 40, g: int = 500, seed: int = 0) -> np.ndarray:
    """Bins 0 to 4 and PAD, about a sixth each."""
    bins_ng = np.random.default_rng(seed).integers(0, 6, (n, g)).astype(np.uint8)
    bins_ng[bins_ng == 5] = VOCABULARY.pad
    return bins_ng


def masked(bins_ng: np.ndarray, mask_share: float = 0.15, replace_share: float = 0.9, seed: int = 1):
    uniform_ng = row_draws(range(len(bins_ng)), bins_ng.shape[1], seed, "test", 0)
    return mask_bins(bins_ng, uniform_ng, mask_share, replace_share, VOCABULARY)


def test_zeros_and_unmeasured_genes_are_never_chosen():
    bins_ng = toy_bins()
    batch = masked(bins_ng, mask_share=0.99)
    assert set(batch.label_m.tolist()) == {1, 2, 3, 4}
    untouched_ng = (bins_ng == 0) | (bins_ng == VOCABULARY.pad)
    assert np.array_equal(batch.inputs_ng.numpy()[untouched_ng], bins_ng[untouched_ng])


def test_labels_are_the_bins_that_lay_at_the_masked_positions():
    bins_ng = toy_bins()
    batch = masked(bins_ng)
    assert np.array_equal(batch.label_m.numpy(), bins_ng[batch.sample_m.numpy(), batch.gene_m.numpy()])


def test_mask_is_a_token_of_its_own_and_never_pad():
    bins_ng = toy_bins()
    inputs_ng = masked(bins_ng).inputs_ng.numpy()
    assert (inputs_ng == VOCABULARY.mask).any()
    assert np.array_equal(inputs_ng == VOCABULARY.pad, bins_ng == VOCABULARY.pad)


def test_the_share_chosen_is_of_the_non_zero_bins_not_of_all_genes():
    bins_ng = toy_bins(200)
    n_eligible = ((bins_ng > 0) & (bins_ng < 5)).sum()
    share = len(masked(bins_ng).label_m) / n_eligible
    assert abs(share - 0.15) < 4 * np.sqrt(0.15 * 0.85 / n_eligible)


def test_nine_tenths_of_the_chosen_become_mask_and_the_rest_keep_their_bin():
    batch = masked(toy_bins(200))
    token_m = batch.inputs_ng[batch.sample_m, batch.gene_m]
    kept_m = token_m != VOCABULARY.mask
    assert torch.equal(token_m[kept_m].long(), batch.label_m[kept_m])
    n = len(token_m)
    assert abs(1 - kept_m.double().mean().item() - 0.9) < 4 * np.sqrt(0.9 * 0.1 / n)


def test_positions_that_are_not_chosen_are_left_as_they_were():
    bins_ng = toy_bins()
    batch = masked(bins_ng)
    chosen_ng = np.zeros(bins_ng.shape, bool)
    chosen_ng[batch.sample_m.numpy(), batch.gene_m.numpy()] = True
    assert np.array_equal(batch.inputs_ng.numpy()[~chosen_ng], bins_ng[~chosen_ng])


def test_a_sample_of_zeros_has_nothing_to_predict():
    assert len(masked(np.zeros((2, 30), np.uint8)).label_m) == 0


def test_the_original_bins_are_not_written_to():
    bins_ng = toy_bins()
    before_ng = bins_ng.copy()
    masked(bins_ng, mask_share=0.9)
    assert np.array_equal(bins_ng, before_ng)


def test_a_rows_draws_depend_on_seed_purpose_epoch_and_row_but_not_on_its_neighbours():
    together = row_draws([3, 7], 50, 0, "a", 2)
    assert np.array_equal(together[1], row_draws([7], 50, 0, "a", 2)[0])
    others = [row_draws([7], 50, 1, "a", 2), row_draws([7], 50, 0, "b", 2), row_draws([7], 50, 0, "a", 3)]
    assert not any(np.array_equal(together[1], other[0]) for other in [*others, together[:1]])
