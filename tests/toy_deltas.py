"""Deltas of a few numbers, a base that they began at, and a storage in memory that cleans up."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import numpy as np

from rnalearner.guide.faults import Base
from rnalearner.guide.ledger import Announcement, Ledger
from rnalearner.guide.movement import Movement
from rnalearner.scouts.delta import EpisodeResult, WeightDelta
from rnalearner.storage import Storage, sha256

RUN, BASE = "r" * 32, "b" * 64
BEGAN = Base(BASE, {"w": (2,), "v": (2, 3)}, rms=1.0, n_genes=3)
"""Two tensors train; `ledger_on` takes scouts that moved 3 at most, root mean square."""
V = np.zeros((2, 3), np.float32)


def toy_result(scout_id: int, accuracy: float = 1.0, converged: bool = True) -> EpisodeResult:
    return EpisodeResult(scout_id, f"contrast {scout_id}", 32, 8, 2.5, 10, accuracy, 1e-5, converged, 0.5)


def toy_delta(
    scout_id: int,
    w: object = (1.0, 0.0),
    *,
    seq: int = 1,
    run: str = RUN,
    base: str = BASE,
    accuracy: float | None = None,
    head_g: object = (1.0, 0.0, 2.0),
    **tensors: np.ndarray,
) -> WeightDelta:
    """Delta `seq` of a scout that moved `w` and `tensors`; its last one where an accuracy is given."""
    deltas = {"w": np.array(w, np.float32)} | tensors
    result = None if accuracy is None else toy_result(scout_id, accuracy)
    weights = sha256(b"".join(deltas[name].tobytes() for name in sorted(deltas)))
    return WeightDelta(
        run, scout_id, seq, 10 * seq, 32, base, weights, deltas, np.array(head_g, np.float32), result
    )


def random_delta(scout_id: int, seq: int = 1, seed: int = 0, **about: object) -> WeightDelta:
    """Of BEGAN's tensors, each number of another size."""
    rng = np.random.default_rng([seed, scout_id, seq])
    w, v = (
        (10.0 ** rng.uniform(-6, 0, shape) * rng.choice([-1, 1], shape)).astype(np.float32)
        for shape in ((2,), (2, 3))
    )
    return toy_delta(scout_id, w, seq=seq, v=v, head_g=rng.uniform(0, 1, 3), **about)  # type: ignore[arg-type]


def folded(deltas: list[WeightDelta], movement: Movement | None = None, weighing: str = "evenly") -> Movement:
    """All of them, in the order given, on top of `movement`."""
    movement = movement or Movement(BASE, weighing)  # type: ignore[arg-type]
    for delta in deltas:
        movement.add(delta, sha256(delta.to_bytes()))
    return movement


def bits(movement: Movement) -> dict[str, bytes]:
    """Every number of it."""
    assert movement.head_g is not None
    sums = {f"{k}/{n}": v.tobytes() for k, tensors in movement.sums.items() for n, v in tensors.items()}
    return sums | {"head_g": movement.head_g.tobytes()}


def announce(storage: Storage, delta: WeightDelta, attempt: int = 0) -> Announcement:
    """Store a delta as its scout does; what it then tells the ledger."""
    data = delta.to_bytes()
    said = Announcement(delta.run, delta.scout_id, attempt, delta.seq, sha256(data))
    storage.put(said.path, data)
    return said


def ledger_on(storage: Storage) -> Ledger:
    return Ledger(storage, RUN, BEGAN, max_movement=3.0)


@contextmanager
def memory_storage() -> Iterator[Storage]:
    """A place of its own in fsspec's memory, which is emptied: looking there takes as long as it is full."""
    name = uuid.uuid4().hex
    yield Storage(f"memory://{name}")
    memory = fsspec.filesystem("memory")
    if memory.exists(f"/{name}"):
        memory.rm(f"/{name}", recursive=True)
