"""performer-pytorch's FastAttention, computed in the way that suits the device.

Shapes: n samples, h heads, l positions, k head width.
"""

import torch
from performer_pytorch import FastAttention
from torch import Tensor

from rnalearner.errors import RecipeError
from rnalearner.model.favor.choice import VARIABLE, attention_kind, kernels_fit
from rnalearner.model.favor.plain import plain_attention


class FavorAttention(FastAttention):
    """FAVOR+ with the softmax kernel, not causal: the same numbers and state as FastAttention.

    `kind`, which the environment's RNALEARNER_ATTENTION sets when the module is made: "fused", the Triton
    kernels (rnalearner.model.favor.fused); "plain", blocks of positions (rnalearner.model.favor.plain);
    "performer", performer-pytorch's own formula; or "auto", fused where that is possible, else plain.
    """

    projection_matrix: Tensor

    def __init__(self, dim_heads: int, nb_features: int | None = None, ortho_scaling: int = 0) -> None:
        """Raises RecipeError where RNALEARNER_ATTENTION is none of these."""
        super().__init__(dim_heads, nb_features, ortho_scaling)
        self.kind = attention_kind()

    @classmethod
    def of(cls, theirs: FastAttention) -> "FavorAttention":
        """What takes the place of `theirs`, and holds its very projection."""
        if theirs.causal or theirs.generalized_attention or theirs.no_projection:
            raise ValueError("only attention with the softmax kernel that is not causal can be replaced")
        with torch.random.fork_rng(devices=[]):  # a draw that is not kept must not move those that are
            ours = cls(theirs.dim_heads, theirs.nb_features, theirs.ortho_scaling)
        ours.projection_matrix = theirs.projection_matrix
        return ours

    def forward(
        self, q_nhlk: Tensor, k_nhlk: Tensor, v_nhlk: Tensor, measured_nl: Tensor | None = None
    ) -> Tensor:
        """n h l k. Where `measured_nl` is False a value counts as 0, while its key counts.

        Raises RecipeError where the kernels are asked for and cannot run.
        """
        fits = kernels_fit(q_nhlk.device, q_nhlk.dtype, q_nhlk.shape[3])
        if self.kind == "fused" and not fits:
            what = f"no kernels for {q_nhlk.dtype} heads of {q_nhlk.shape[3]} numbers on {q_nhlk.device.type}"
            raise RecipeError(VARIABLE, what, "set it to auto")
        if self.kind == "fused" or (self.kind == "auto" and fits):
            from rnalearner.model.favor.fused import fused_attention  # not every machine has Triton

            return fused_attention(q_nhlk, k_nhlk, v_nhlk, measured_nl, self.projection_matrix)
        # The compiler would unroll the loop over blocks; performer-pytorch's formula it takes whole.
        if self.kind != "performer" and not torch.compiler.is_compiling():
            return plain_attention(q_nhlk, k_nhlk, v_nhlk, measured_nl, self.projection_matrix)
        if measured_nl is not None:
            v_nhlk = v_nhlk.masked_fill(~measured_nl[:, None, :, None], 0.0)
        out_nhlk: Tensor = super().forward(q_nhlk, k_nhlk, v_nhlk)
        return out_nhlk
