import math

import torch

from rnalearner.pretrain.loss import masked_loss, score_means


def test_accuracy_counts_every_sample_not_only_the_first():
    # Sample 0: both masked bins right. Samples 1 and 2: all four wrong. The published code said 100 %.
    label_m = torch.tensor([1, 2, 1, 2, 1, 2])
    guess_m = torch.tensor([1, 2, 2, 1, 2, 1])
    logits_mb = torch.nn.functional.one_hot(guess_m, 4).float() * 9
    _, accuracy = score_means(masked_loss(logits_mb, label_m)[1])
    assert accuracy == 2 / 6


def test_the_loss_is_the_summed_negative_log_probability_of_the_true_bins():
    logits_mb = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    loss_sum, score_3 = masked_loss(logits_mb, torch.tensor([0, 1]))
    assert math.isclose(loss_sum.item(), math.log(2) + math.log(4), rel_tol=1e-6)
    assert score_3[2] == 2


def test_batches_add_up_to_the_score_of_all_of_them():
    generator = torch.Generator().manual_seed(0)
    logits_mb = torch.randn(30, 5, generator=generator)
    label_m = torch.randint(0, 5, (30,), generator=generator)
    parts = masked_loss(logits_mb[:7], label_m[:7])[1] + masked_loss(logits_mb[7:], label_m[7:])[1]
    assert torch.allclose(parts, masked_loss(logits_mb, label_m)[1])


def test_a_batch_without_masked_positions_scores_nothing():
    assert score_means(masked_loss(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))[1]) == (0, 0)
