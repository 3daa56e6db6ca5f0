"""Components and centres on disk: what gives any later sample its sample clusters, and moves no earlier one.

Shapes: g genes, k components, c centres.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rnalearner.checkpoint import check_same, load_arrays, save_arrays
from rnalearner.clustering.embed import PrincipalComponents
from rnalearner.errors import CheckpointError

CENTRES = "centres_k"


@dataclass(frozen=True)
class StoredClusters:
    """Principal components with the centres of each K, of one gene set on one scale."""

    components: PrincipalComponents
    centres: Mapping[int, np.ndarray]
    """K -> centres c x k; empty until k-means has run."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """`gene_set` (its hash) and `scale`, and what is said of how it was made."""

    def with_centres(self, centres: Mapping[int, np.ndarray]) -> "StoredClusters":
        return replace(self, centres=centres)

    def save(self, folder: Path) -> str:
        """Write it as one; return the sha256 of the arrays."""
        made = self.components
        arrays = {"mean": made.mean_g, "axes": made.axes_kg, "variance_share": made.variance_share_k}
        centres = {f"{CENTRES}{k}": centres_ck for k, centres_ck in self.centres.items()}
        return save_arrays(folder, arrays | centres, self.meta)

    @classmethod
    def load(cls, folder: Path, gene_set: str, scale: Mapping[str, Any]) -> "StoredClusters":
        """Raises CheckpointError where it is damaged, or of another gene set or scale."""
        arrays, meta = load_arrays(folder)
        check_same(folder, meta, {"gene_set": gene_set, "scale": dict(scale)})
        try:
            made = PrincipalComponents(arrays["mean"], arrays["axes"], arrays["variance_share"])
        except KeyError as error:
            what = f"holds no principal components (no {error.args[0]})"
            raise CheckpointError(folder, what, "give the folder explore/components of a run") from None
        numbers = sorted(int(name.removeprefix(CENTRES)) for name in arrays if name.startswith(CENTRES))
        return cls(made, {k: arrays[f"{CENTRES}{k}"] for k in numbers}, meta)
