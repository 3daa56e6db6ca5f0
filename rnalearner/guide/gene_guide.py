"""The gene guide: one number a gene, learnt by gene-level scouts.

Shapes: g genes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from rnalearner.checkpoint import check_same, load_checkpoint, save_checkpoint
from rnalearner.errors import CheckpointError

_TENSORS = ("guide_g", "residual_g", "n_studies_g")


class GeneValues(NamedTuple):
    """What a gene guide says of some genes; NaN, and no study, where it does not know a gene."""

    guide_g: np.ndarray
    residual_g: np.ndarray
    n_studies_g: np.ndarray


@dataclass(frozen=True, eq=False)
class GeneGuide:
    """How much the contrasts of other studies moved each gene.

    `meta`: strategy, measure, studies (of the corpus, by name), n_contrasts, seed, scale, min_cpm, gene_set
    (sha256 of the ids), left_out.
    """

    genes: tuple[str, ...]
    """Ensembl ids."""
    guide_g: np.ndarray
    """Mean squared (or absolute) moderated t, divided by its mean over genes: 0 or more, mean 1."""
    residual_g: np.ndarray
    """Typical spread of a sample about its group's mean, in log2(CPM+1)."""
    n_studies_g: np.ndarray
    """Studies of the corpus that measure and express the gene."""
    meta: dict[str, Any]

    def reindexed(self, genes: Sequence[str]) -> GeneValues:
        """The same numbers for `genes`, in their order."""
        index = {gene: place for place, gene in enumerate(self.genes)}
        places = np.array([index.get(gene, -1) for gene in genes], np.int64)
        known = places >= 0

        def taken(values_g: np.ndarray) -> np.ndarray:
            out = np.full(len(places), np.nan)
            out[known] = values_g[places[known]]
            return out

        n_studies = np.nan_to_num(taken(self.n_studies_g)).astype(np.int64)
        return GeneValues(taken(self.guide_g), taken(self.residual_g), n_studies)

    def save(self, folder: Path) -> str:
        """Store it; returns the sha256 of the numbers."""
        tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in _TENSORS}
        return save_checkpoint(folder, tensors, self.meta | {"genes": list(self.genes)})

    @classmethod
    def load(cls, folder: Path, expected: Mapping[str, Any] | None = None) -> "GeneGuide":
        """Read it back; raises CheckpointError where it is damaged, or `meta` differs from `expected`."""
        tensors, meta = load_checkpoint(folder)
        check_same(folder, meta, expected or {})
        again = "run `rnalearner genes` again"
        genes = tuple(meta.pop("genes", ()))
        if set(tensors) != set(_TENSORS) or not genes:
            raise CheckpointError(folder, "is no gene guide", again)
        values = {name: tensor.numpy() for name, tensor in tensors.items()}
        for name, values_g in values.items():
            if values_g.shape != (len(genes),):
                raise CheckpointError(folder, f"{name} is {values_g.shape} for {len(genes)} genes", again)
            if not (np.isfinite(values_g).all() and (values_g >= 0).all()):
                raise CheckpointError(folder, f"{name} holds a value that is negative or no number", again)
        return cls(genes, **values, meta=meta)


def genes_sha256(genes: Sequence[str]) -> str:
    """Hash of the ids in their order, as GeneSet's."""
    return hashlib.sha256("\n".join(genes).encode()).hexdigest()
