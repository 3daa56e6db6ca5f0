"""What the scouts agree on: the mean over scouts of how far each parameter moved."""

from collections.abc import Iterable

import numpy as np

from rnalearner.config.scouting import Measure
from rnalearner.errors import CheckpointError
from rnalearner.scouts.delta import WeightDelta

_REMEDY = "scout again from one base checkpoint"


def newest(deltas: Iterable[WeightDelta]) -> list[WeightDelta]:
    """The newest delta of every scout, in the order of the scouts' numbers, however they arrived."""
    latest: dict[int, WeightDelta] = {}
    for delta in deltas:
        known = latest.get(delta.scout_id)
        if known is None or delta.order > known.order:
            latest[delta.scout_id] = delta
    return [latest[scout_id] for scout_id in sorted(latest)]


def mean_movement(deltas: Iterable[WeightDelta], measure: Measure = "squared") -> dict[str, np.ndarray]:
    """How far each parameter moved over all scouts, float64, by name.

    squared, absolute: the mean over scouts of delta^2 or |delta|. signal_to_noise: (mean delta)^2 over
    mean delta^2, in [0, 1]: 1 where all scouts moved it alike, near 1/s where each of s went its own way,
    0 where none moved it.

    `deltas` come one a scout in the order of the scouts' numbers (see `newest`): sums of floats
    depend on order, and so the guide depends on no message's arrival. These are running means, so
    they may be read from disk one by one. Raises CheckpointError where a delta is not finite,
    has another base checkpoint, other tensors or shapes than the first, is out of order, or where
    there is none.
    """
    mean: dict[str, np.ndarray] = {}
    signed: dict[str, np.ndarray] = {}
    first: WeightDelta | None = None
    last_id = -1
    for n, delta in enumerate(deltas, start=1):
        first = first or delta
        _check(delta, first, last_id)
        last_id = delta.scout_id
        for name, value in delta.deltas.items():
            wide = value.astype(np.float64)
            _include(mean, name, np.abs(wide) if measure == "absolute" else np.square(wide), n)
            if measure == "signal_to_noise":
                _include(signed, name, wide, n)
    if first is None:
        raise CheckpointError("guide", "no scout has sent a delta", "see why the scouts failed")
    if measure == "signal_to_noise":
        return {name: _ratio(np.square(signed[name]), mean[name]) for name in mean}
    return mean


def _include(mean: dict[str, np.ndarray], name: str, value: np.ndarray, n: int) -> None:
    """The n-th value joins a running mean."""
    mean[name] = mean[name] + (value - mean[name]) / n if n > 1 else value


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _check(delta: WeightDelta, first: WeightDelta, last_id: int) -> None:
    where = f"scout {delta.scout_id}"
    if delta.scout_id <= last_id:
        raise CheckpointError(
            where, f"its delta comes after that of scout {last_id}", "pass `newest(deltas)`"
        )
    if delta.base_checkpoint != first.base_checkpoint:
        what = f"began at base checkpoint {delta.base_checkpoint[:12]}, scout {first.scout_id} at "
        raise CheckpointError(where, what + first.base_checkpoint[:12], _REMEDY)
    differing = sorted(delta.deltas.keys() ^ first.deltas.keys())
    if differing:
        what = f"does not move the same tensors as scout {first.scout_id} ({differing[0]})"
        raise CheckpointError(where, what, _REMEDY)
    for name, value in delta.deltas.items():
        if value.shape != first.deltas[name].shape:
            what = f"{name} is {value.shape}, that of scout {first.scout_id} {first.deltas[name].shape}"
            raise CheckpointError(where, what, _REMEDY)
        if not np.isfinite(value).all():
            raise CheckpointError(where, f"{name} is not finite", "leave this scout out, or lower its rate")
