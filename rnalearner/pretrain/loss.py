"""The score of masked positions, as sums, so that batches and ranks add up exactly.

Shapes: m masked positions of all samples of a batch, b bins. `score_3` holds the summed loss, the number
of right answers and the number of masked positions. Of bins: cross entropy in nats, right bins. Of centred
values: Huber's loss in the gene's units, and those whose side of the study's mean is told right.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, huber_loss


def masked_loss(logits_mb: Tensor, label_m: Tensor) -> tuple[Tensor, Tensor]:
    """The summed cross entropy, to be differentiated, and the detached `score_3`.

    Every masked position of every sample counts once, whichever sample it is in.
    """
    loss_sum = cross_entropy(logits_mb.float(), label_m, reduction="sum")
    return loss_sum, _score_3(loss_sum, logits_mb.detach().argmax(-1) == label_m)


def masked_value_loss(predicted_m: Tensor, truth_m: Tensor) -> tuple[Tensor, Tensor]:
    """The same of centred values in units: squared error / 2 up to 1 unit, linear beyond (Huber 1964)."""
    loss_sum = huber_loss(predicted_m.float(), truth_m, reduction="sum", delta=1.0)
    return loss_sum, _score_3(loss_sum, (predicted_m.detach() > 0) == (truth_m > 0))


def _score_3(loss_sum: Tensor, right_m: Tensor) -> Tensor:
    # Filled on the device: a copy from here would wait for it.
    n_masked = torch.full((), right_m.shape[0], device=right_m.device)
    # float64: float32 sums lose whole positions beyond 16 million.
    return torch.stack([loss_sum.detach().double(), right_m.sum().double(), n_masked.double()])


def score_means(score_3: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy of a `score_3`; both 0 where nothing was masked."""
    loss_sum, n_right, n_masked = score_3.tolist()
    return loss_sum / max(n_masked, 1), n_right / max(n_masked, 1)
