"""What is wrong with a delta, if anything: by the base checkpoint it should have begun at, and by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnalearner.scouts.delta import WeightDelta, rms


@dataclass(frozen=True)
class Base:
    """What every scout of a run began from."""

    sha256: str
    shapes: Mapping[str, tuple[int, ...]]
    """Of the parameters that train."""
    rms: float
    """Root mean square over all of these."""
    n_genes: int

    @classmethod
    def of(cls, sha256: str, parameters: Mapping[str, np.ndarray], n_genes: int) -> "Base":
        return cls(
            sha256, {name: value.shape for name, value in parameters.items()}, rms(parameters), n_genes
        )


def fault(delta: WeightDelta, base: Base, max_movement: float) -> str | None:
    """Why the guide must not hear of it, None where it may.

    A movement is outlying where it exceeds `max_movement` times the base's own root mean square. Other
    scouts' movements would be a finer measure, but then what is refused would depend on who came first.
    """
    if delta.base_checkpoint != base.sha256:
        return f"it began at base checkpoint {delta.base_checkpoint[:12]}, not {base.sha256[:12]}"
    if differing := sorted(delta.deltas.keys() ^ base.shapes.keys()):
        return f"its tensors are not those that train ({differing[0]})"
    for name, value in delta.deltas.items():
        if value.shape != base.shapes[name]:
            return f"{name} is {value.shape}, not {base.shapes[name]}"
        if not np.isfinite(value).all():
            return f"{name} is not finite"
    if delta.head_g.shape != (base.n_genes,):
        return f"its head is of {delta.head_g.shape} genes, not ({base.n_genes},)"
    if not np.isfinite(delta.head_g).all():
        return "its head is not finite"
    moved = rms(delta.deltas)
    if moved > max_movement * base.rms:
        return f"it moved {moved:.3g}, more than {max_movement:g} times the base's {base.rms:.3g}"
    return None
