"""A block in its two halves: attention, where genes hear of each other, and feed-forward, gene by gene.

With attention frozen, all that trains works on one position at a time: activations are kept up to the
feed-forward, and a step of training may look at some of the genes. Shapes: n samples, l positions, d width.
"""

import torch
from torch import Tensor

from rnalearner.model.attention import attend
from rnalearner.model.encoder import ExpressionEncoder

POSITIONS = 2000
"""Positions at a time where no gradient is needed: what a core's cache holds. In one piece it takes thrice
the time."""


def after_attention(
    encoder: ExpressionEncoder, hidden_nld: Tensor, measured_nl: Tensor, block: int
) -> Tensor:
    """From the hidden state before block `block` to the one before its feed-forward."""
    attention, _ = encoder.performer.net.layers[block]
    mask_nl = None if bool(measured_nl.all()) else measured_nl
    return hidden_nld + attend(attention.fn, attention.norm(hidden_nld), mask_nl)


def from_feedforward(encoder: ExpressionEncoder, hidden_nld: Tensor) -> Tensor:
    """From the hidden state before the last feed-forward to the end, final norm included."""
    _, feedforward = encoder.performer.net.layers[-1]

    hidden_nld = hidden_nld.to(encoder.norm.weight.dtype)  # the kernels leave bf16

    def rest(part_ld: Tensor) -> Tensor:
        ended_ld: Tensor = encoder.norm(part_ld + feedforward(part_ld))
        return ended_ld

    if torch.is_grad_enabled() or hidden_nld.is_cuda:
        return rest(hidden_nld)
    flat_md = hidden_nld.flatten(0, 1)
    return torch.cat([rest(part) for part in flat_md.split(POSITIONS)]).view_as(hidden_nld)


def feedforward_names(encoder: ExpressionEncoder) -> set[str]:
    """Parameters of the last feed-forward and of the final norm."""
    chosen = (f"performer.net.layers.{encoder.config.depth - 1}.1.", "norm.")
    return {name for name, _ in encoder.named_parameters() if name.startswith(chosen)}
