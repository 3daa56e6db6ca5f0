"""The score of masked positions, as sums, so that batches and ranks add up exactly.

Shapes: m masked positions of all samples of a batch, b bins. `score_3` holds the summed
cross entropy in nats, the number of right bins and the number of masked positions.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def masked_loss(logits_mb: Tensor, label_m: Tensor) -> tuple[Tensor, Tensor]:
    """The summed cross entropy, to be differentiated, and the detached `score_3`.

    Every masked position of every sample counts once, whichever sample it is in.
    """
    loss_sum = cross_entropy(logits_mb.float(), label_m, reduction="sum")
    n_right = (logits_mb.detach().argmax(-1) == label_m).sum()
    n_masked = torch.tensor(label_m.shape[0], device=label_m.device)
    # float64: float32 sums lose whole positions beyond 16 million.
    return loss_sum, torch.stack([loss_sum.detach().double(), n_right.double(), n_masked.double()])


def score_means(score_3: Tensor) -> tuple[float, float]:
    """Mean cross entropy and accuracy of a `score_3`; both 0 where nothing was masked."""
    loss_sum, n_right, n_masked = score_3.tolist()
    return loss_sum / max(n_masked, 1), n_right / max(n_masked, 1)
