"""The encoder: expression in, one vector a gene out.

Shapes: n samples, g genes, l = g + 1 positions, d model width. The last position belongs to no gene.
"""

import torch
from performer_pytorch import FastAttention, Performer
from torch import Tensor, nn

from rnalearner.config import ModelConfig
from rnalearner.model.attention import attend
from rnalearner.model.embedding import embedded
from rnalearner.model.favor.attention import FavorAttention
from rnalearner.model.favor.choice import attention_kind, kernels_fit
from rnalearner.model.values import CentredValues


class ExpressionEncoder(nn.Module):
    """performer-pytorch's Performer over genes, after scBERT (Yang et al. 2022).

    A position is the learned embedding of its bin plus the frozen vector of its gene; genes have no
    order, so there is no positional code. With `config.values` "interpolated" it takes centred values
    instead of bins (rnalearner.model.values): wherever `inputs_ng` stands, it is tokens of any integer
    type, or floats of log2 CPM minus the study's mean, NaN where not measured. `prefix` and `suffix` cut
    the computation between two blocks: what lies below the first trained block never changes and can be
    computed once.
    """

    gene_vectors_gd: Tensor

    def __init__(self, config: ModelConfig, n_tokens: int, pad: int, gene_vectors_gd: Tensor) -> None:
        """`n_tokens` is the size of the bin vocabulary; `pad` its token for "not measured"."""
        super().__init__()
        if gene_vectors_gd.shape[1] != config.dim:
            raise ValueError(f"gene vectors have width {gene_vectors_gd.shape[1]}, the model {config.dim}")
        self.config = config
        self.pad_token: float
        """What stands for "not measured" in the inputs."""
        if config.values == "bins":
            self.bin_embedding = nn.Embedding(n_tokens, config.dim)
            self.pad_token = pad
        else:
            self.value_embedding = CentredValues(len(gene_vectors_gd), config.dim)
            self.pad_token = torch.nan
        self.extra_d = nn.Parameter(torch.randn(config.dim) * config.dim**-0.5)
        self.register_buffer("gene_vectors_gd", gene_vectors_gd.clone())
        self.performer = Performer(
            dim=config.dim,
            depth=config.depth,
            heads=config.heads,
            dim_head=config.dim_head,
            ff_mult=config.feedforward_mult,
            nb_features=config.n_features,
            ff_dropout=config.dropout,
            attn_dropout=config.dropout,
            auto_check_redraw=False,  # redrawn by `redraw`, from a seed, alike on every rank
        )
        # Its updater would name every block a second time, in each state and checkpoint.
        self.performer.proj_updater = nn.Identity()
        for attention, _ in self.performer.net.layers:
            attention.fn.fast_attention = FavorAttention.of(attention.fn.fast_attention)
        self.norm = nn.LayerNorm(config.dim)

    @property
    def n_genes(self) -> int:
        return self.gene_vectors_gd.shape[0]

    def forward(self, inputs_ng: Tensor) -> Tensor:
        """Inputs to hidden_nld, after the final norm."""
        return self.norm(self.body(inputs_ng))

    def body(self, inputs_ng: Tensor) -> Tensor:
        """Inputs to hidden_nld before the final norm, which works on each position by itself."""
        return self.blocks(self.embed(inputs_ng), self.measured(inputs_ng), 0, self.config.depth)

    def embed(self, inputs_ng: Tensor) -> Tensor:
        """Inputs to the first block's input, n x l x d."""
        fused = self.by_kernels(inputs_ng)
        if self.config.values != "bins":
            values_ngd = self.value_embedding(inputs_ng)
        elif fused:
            values_ngd = embedded(self.bin_embedding.weight.bfloat16(), inputs_ng.int())
        else:
            values_ngd = self.bin_embedding(inputs_ng.int())
        dtype = torch.bfloat16 if fused else values_ngd.dtype
        extra_n1d = self.extra_d.to(dtype).expand(len(inputs_ng), 1, -1)
        return torch.cat([values_ngd.to(dtype) + self.gene_vectors_gd.to(dtype), extra_n1d], dim=1)

    def measured(self, inputs_ng: Tensor) -> Tensor:
        """True where a position may be attended to: measured genes and the extra position, n x l."""
        bins = self.config.values == "bins"
        measured_ng = inputs_ng != self.pad_token if bins else ~torch.isnan(inputs_ng)
        return nn.functional.pad(measured_ng, (0, 1), value=True)

    def prefix(self, inputs_ng: Tensor, n_blocks: int) -> Tensor:
        """The hidden state n x l x d after the first `n_blocks` blocks."""
        return self.blocks(self.embed(inputs_ng), self.measured(inputs_ng), 0, n_blocks)

    def suffix(self, hidden_nld: Tensor, measured_nl: Tensor, from_block: int) -> Tensor:
        """From the hidden state before block `from_block` to the end, final norm included."""
        return self.norm(self.blocks(hidden_nld, measured_nl, from_block, self.config.depth))

    def blocks(self, hidden_nld: Tensor, measured_nl: Tensor, first: int, last: int) -> Tensor:
        """From the hidden state before block `first` to the one before block `last`.

        On a GPU under bf16 autocast by kernels of our own, and in bf16 (rnalearner.model.fused).
        """
        if self.by_kernels(hidden_nld):
            # Imported here: triton comes with torch's builds for GPUs only.
            from rnalearner.model.fused.blocks import through_blocks

            return through_blocks(hidden_nld, measured_nl, list(self.performer.net.layers)[first:last])
        hidden_nld = hidden_nld.to(self.extra_d.dtype)  # the kernels leave bf16
        # On a GPU, or compiled, the question would cost more than the mask.
        asked = not (measured_nl.is_cuda or torch.compiler.is_compiling())
        mask_nl = None if asked and bool(measured_nl.all()) else measured_nl
        for attention, feedforward in list(self.performer.net.layers)[first:last]:
            hidden_nld = hidden_nld + attend(attention.fn, attention.norm(hidden_nld), mask_nl)
            hidden_nld = hidden_nld + feedforward(hidden_nld)
        return hidden_nld

    def by_kernels(self, inputs: Tensor) -> bool:
        """Whether `blocks` goes by kernels: never where dropout draws, nor while torch.compile looks on."""
        return (
            torch.is_autocast_enabled("cuda")
            and torch.get_autocast_dtype("cuda") == torch.bfloat16
            and not (self.training and self.config.dropout)
            and not torch.compiler.is_compiling()
            and attention_kind() in ("auto", "fused")
            and kernels_fit(inputs.device, torch.bfloat16, self.config.dim_head)
        )

    def first_trained_block(self, trained_blocks: int) -> int:
        """Index of the first block that trains; 0 when `trained_blocks` is 0, which trains all."""
        return max(0, self.config.depth - trained_blocks) if trained_blocks else 0

    def trained_parameters(self, trained_blocks: int) -> dict[str, nn.Parameter]:
        """The last `trained_blocks` blocks and the final norm, by name; 0 gives every parameter."""
        if trained_blocks == 0:
            return dict(self.named_parameters())
        first = self.first_trained_block(trained_blocks)
        chosen = tuple(f"performer.net.layers.{block}." for block in range(first, self.config.depth))
        return {n: p for n, p in self.named_parameters() if n.startswith((*chosen, "norm."))}

    def train_only(self, trained_blocks: int) -> dict[str, nn.Parameter]:
        """Let `trained_parameters` alone take gradients, and return them."""
        trained = self.trained_parameters(trained_blocks)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name in trained)
        return trained

    def redraw(self, seed: int) -> None:
        """New random projections in every block, the same wherever `seed` is the same."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for module in self.modules():
                if isinstance(module, FastAttention):
                    module.projection_matrix.copy_(module.create_projection())


def random_gene_vectors(n_genes: int, dim: int, generator: torch.Generator) -> Tensor:
    """Vectors that know nothing of the genes, with gene2vec's scale; n_genes x dim."""
    return torch.randn(n_genes, dim, generator=generator)
