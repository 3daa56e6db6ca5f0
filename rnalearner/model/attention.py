"""One block's attention, with performer-pytorch's weights.

Shapes: n samples, l positions, d model width, h heads, k head width.
"""

from performer_pytorch.performer_pytorch import SelfAttention
from torch import Tensor


def attend(attention: SelfAttention, hidden_nld: Tensor, measured_nl: Tensor | None) -> Tensor:
    """What SelfAttention.forward gives for a mask, its `fast_attention` being a FavorAttention.

    Its own way fills the values in place, through a view, which torch.compile refuses. As there, the
    mask takes a position's value out of the sum, not its key out of the normaliser: unmeasured genes
    weaken attention evenly and say nothing. `measured_nl` None: every position is measured.
    """

    def heads(projected_nld: Tensor) -> Tensor:
        return projected_nld.unflatten(-1, (attention.heads, -1)).transpose(1, 2)  # n h l k

    q_nhlk, k_nhlk, v_nhlk = (
        heads(project(hidden_nld)) for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    out_nhlk: Tensor = attention.fast_attention(q_nhlk, k_nhlk, v_nhlk, measured_nl)
    return attention.dropout(attention.to_out(out_nhlk.transpose(1, 2).flatten(-2)))
