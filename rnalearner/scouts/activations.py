"""What lies below the first trained block, computed once a sample and kept from scout to scout.

Shapes: n samples, g genes, l = g + 1 positions, d model width.
"""

import hashlib
from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor

from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.prefix import autocast

Key = tuple[int, str]
"""A row of the shards, and which of its genes are hidden."""


class SharedActivations:
    """Hidden states by sample, on the encoder's device, up to a budget; of one base checkpoint alone.

    Scouts that share sample clusters share them. What the present scout asks for is not given up for
    it: where all that is kept is its own, further samples are computed at each use.
    """

    def __init__(self, limit_mb: int) -> None:
        self.limit_bytes = limit_mb * 2**20
        self.n_bytes = 0
        self.computed = 0
        """Samples that passed through the frozen blocks so far."""
        self._kept: OrderedDict[Key, Tensor] = OrderedDict()
        self._pinned: set[Key] = set()

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, keys: set[Key]) -> None:
        """A scout begins that will ask for these."""
        self._pinned = keys

    def get(self, key: Key) -> Tensor | None:
        return self._kept.get(key)

    def put(self, key: Key, hidden_ld: Tensor) -> None:
        """Keep it if there is room, or what no present scout needs can make some."""
        size = hidden_ld.numel() * hidden_ld.element_size()
        if self.n_bytes + size > self.limit_bytes:
            for other in [other for other in self._kept if other not in self._pinned]:
                left = self._kept.pop(other)
                self.n_bytes -= left.numel() * left.element_size()
                if self.n_bytes + size <= self.limit_bytes:
                    break
        if self.n_bytes + size <= self.limit_bytes:
            self._kept[key], self.n_bytes = hidden_ld, self.n_bytes + size


class ScoutSamples:
    """A scout's samples as the trained part of its encoder takes them."""

    def __init__(
        self,
        encoder: ExpressionEncoder,
        tokens_ng: np.ndarray,
        rows_n: np.ndarray,
        first: int,
        shared: SharedActivations,
        learns_g: np.ndarray | None,
    ) -> None:
        """`first`: the first trained block; at 0 nothing is frozen, and nothing kept. Genes that may not
        learn are hidden, as if nobody had measured them."""
        if learns_g is not None:
            tokens_ng = np.where(learns_g, tokens_ng, np.asarray(encoder.pad_token, tokens_ng.dtype))
        self.encoder, self.first, self.shared = encoder, first, shared
        self.tokens_ng = torch.from_numpy(np.ascontiguousarray(tokens_ng))
        hidden = "" if learns_g is None else hashlib.sha256(np.packbits(learns_g).tobytes()).hexdigest()
        self.keys: list[Key] = [(int(row), hidden) for row in rows_n]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def device(self) -> torch.device:
        return self.encoder.gene_vectors_gd.device

    def __getitem__(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states n x l x d before block `first`, and which positions are measured, n x l."""
        tokens_ng = self.tokens_ng[places].to(self.device)
        measured_nl = self.encoder.measured(tokens_ng)
        if self.first == 0:
            with autocast(self.device):
                return self.encoder.prefix(tokens_ng, 0), measured_nl
        keys = [self.keys[place] for place in places.tolist()]
        found = [self.shared.get(key) for key in keys]
        kept_type = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        for place in [place for place, hidden_ld in enumerate(found) if hidden_ld is None]:
            # One by one: products over several samples may round otherwise, and what a scout sends would
            # depend on what happened to be kept.
            with torch.no_grad(), autocast(self.device):
                hidden_ld = self.encoder.prefix(tokens_ng[place : place + 1], self.first)[0].to(kept_type)
            found[place] = hidden_ld
            self.shared.computed += 1
            self.shared.put(keys[place], hidden_ld)
        return torch.stack([hidden_ld for hidden_ld in found if hidden_ld is not None]).float(), measured_nl
