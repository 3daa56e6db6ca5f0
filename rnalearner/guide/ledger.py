"""Which deltas count: a row a delta, committed once, whatever dies when.

A scout writes a delta to shared storage, then announces it. The ledger reads it back, and one new file
is the commit point: `rows/scout-00003/00007.json`, whose name is its key (scout and seq, inside one run's
folder) and which nobody ever overwrites. So an announcement may come twice, late or out of order, and the
ledger may die anywhere: whoever opens the folder again knows what its predecessor had said.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from rnalearner.errors import CheckpointError
from rnalearner.guide.faults import Base, fault
from rnalearner.scouts.delta import EpisodeResult, WeightDelta
from rnalearner.storage import Storage, sha256


@dataclass(frozen=True)
class Announcement:
    """A scout's word that a delta lies ready; made by a scout, consumed by the ledger."""

    run: str
    scout_id: int
    attempt: int
    """0, and one more each time that the scout was started again."""
    seq: int
    sha256: str
    """Of the delta's bytes."""

    @property
    def path(self) -> str:
        """Where the delta lies; its checksum is part of its name."""
        return f"{delta_folder(self.scout_id)}/{self.seq:05d}-{self.sha256[:16]}.safetensors"


@dataclass(frozen=True)
class Row:
    """A committed delta."""

    run: str
    scout_id: int
    attempt: int
    seq: int
    sha256: str
    base_checkpoint: str
    step: int
    n_samples: int
    weights: str
    result: EpisodeResult | None = None
    """How the scout ended; None where this is not its last delta."""


class Outcome(Enum):
    COMMITTED = "committed"
    REPEATED = "repeated"
    """It was committed before; nothing is counted twice."""
    CONFLICT = "conflict"
    """Another delta was committed under this key: the first one stays."""
    STALE = "stale"
    """Of an attempt that a later one has replaced, or of another run."""
    QUARANTINED = "quarantined"
    """It must not reach the guide; the reason is kept."""


@dataclass(frozen=True)
class Receipt:
    """The ledger's answer."""

    outcome: Outcome
    durable: int
    """Every delta of this scout up to this seq is committed: none of them need be sent again."""
    reason: str = ""

    @property
    def accepted(self) -> bool:
        return self.outcome in (Outcome.COMMITTED, Outcome.REPEATED)


class Ledger:
    """The rows of one run, on any storage; what it holds in memory it can read again from there."""

    def __init__(self, storage: Storage, run: str, base: Base, max_movement: float) -> None:
        """Reads what is there. Raises CheckpointError for a damaged row."""
        self.storage, self.run, self.base, self.max_movement = storage, run, base, max_movement
        self._rows: dict[int, dict[int, Row]] = {}
        self.attempts: dict[int, int] = {}
        """Scout -> its latest attempt."""
        self._durable: dict[int, int] = {}
        for name in storage.names("rows"):
            row = _read_row(name, storage.get(name))
            self._keep(row)
        for name in storage.names("attempts"):
            scout, attempt = name.removeprefix("attempts/scout-").split("/")
            self.attempts[int(scout)] = max(int(attempt), self.attempts.get(int(scout), 0))

    def admit(self, scout_id: int, attempt: int, who: str = "") -> int:
        """An attempt begins: what earlier ones still send is stale. Returns the scout's `durable`.

        `who`: which process, for whoever looks for it.
        """
        self.storage.put_new(f"attempts/scout-{scout_id:05d}/{attempt:05d}", who.encode())
        self.attempts[scout_id] = max(attempt, self.attempts.get(scout_id, 0))
        return self.durable(scout_id)

    def push(self, said: Announcement) -> Receipt:
        """Commit a delta that lies on the storage; the answer comes after the row is on disk."""
        if said.run != self.run:
            return self._refused(said, Outcome.STALE, f"it is of run {said.run[:12]}, not {self.run[:12]}")
        if said.attempt < (latest := self.attempts.get(said.scout_id, 0)):
            return self._refused(said, Outcome.STALE, f"attempt {latest} has replaced attempt {said.attempt}")
        known = self._rows.get(said.scout_id, {}).get(said.seq)
        if known is None:
            try:
                row = self._checked(said)
            except CheckpointError as error:
                return self._refused(said, Outcome.QUARANTINED, error.what)
            name = f"rows/scout-{said.scout_id:05d}/{said.seq:05d}.json"
            if self.storage.put_new(name, _row_bytes(row)):
                self._keep(row)
                return Receipt(Outcome.COMMITTED, self.durable(said.scout_id))
            known = _read_row(name, self.storage.get(name))  # another ledger was faster
            self._keep(known)
        if known.sha256 == said.sha256:
            return Receipt(Outcome.REPEATED, self.durable(said.scout_id))
        what = f"delta {said.seq} was committed as {known.sha256[:12]}, this is {said.sha256[:12]}"
        return self._refused(said, Outcome.CONFLICT, what)

    def durable(self, scout_id: int) -> int:
        """The highest seq below and at which all are committed; 0 for none."""
        return self._durable.get(scout_id, 0)

    def last(self, scout_id: int) -> Row | None:
        """A scout's last committed delta."""
        rows = self._rows.get(scout_id)
        return rows[max(rows)] if rows else None

    def ended(self) -> dict[int, EpisodeResult]:
        """Scouts whose last delta says how they ended."""
        rows = {scout_id: self.last(scout_id) for scout_id in sorted(self._rows)}
        return {i: row.result for i, row in rows.items() if row is not None and row.result is not None}

    def rows(self) -> Iterator[Row]:
        """All rows, by scout and seq."""
        for scout_id in sorted(self._rows):
            yield from (self._rows[scout_id][seq] for seq in sorted(self._rows[scout_id]))

    def delta(self, row: Row) -> WeightDelta:
        """The delta of a row; raises CheckpointError where its bytes are no longer those committed."""
        said = Announcement(row.run, row.scout_id, row.attempt, row.seq, row.sha256)
        return WeightDelta.from_bytes(self._bytes(said))

    def quarantined(self) -> list[dict[str, Any]]:
        """What was refused, and why."""
        return [json.loads(self.storage.get(name)) for name in self.storage.names("quarantine")]

    def _checked(self, said: Announcement) -> Row:
        """The row of a delta that the guide may hear of; raises CheckpointError with its fault."""
        delta = WeightDelta.from_bytes(self._bytes(said))
        if (delta.run, delta.scout_id, delta.seq) != (said.run, said.scout_id, said.seq):
            what = f"it is delta {delta.seq} of scout {delta.scout_id}, announced as another"
            raise CheckpointError(said.path, what, "send it again")
        if (found := fault(delta, self.base, self.max_movement)) is not None:
            raise CheckpointError(said.path, found, "leave this scout out, or lower its rate")
        about = (delta.base_checkpoint, delta.step, delta.n_samples, delta.weights, delta.result)
        return Row(said.run, said.scout_id, said.attempt, said.seq, said.sha256, *about)

    def _bytes(self, said: Announcement) -> bytes:
        try:
            data = self.storage.get(said.path)
        except OSError as error:
            what = f"it cannot be read ({type(error).__name__})"
            raise CheckpointError(said.path, what, "send it again") from None
        if sha256(data) != said.sha256:
            raise CheckpointError(said.path, "its bytes do not match their checksum", "send it again")
        return data

    def _refused(self, said: Announcement, outcome: Outcome, reason: str) -> Receipt:
        told = asdict(said) | {"outcome": outcome.value, "reason": reason}
        name = f"quarantine/scout-{said.scout_id:05d}/{said.seq:05d}-{said.sha256[:16]}-{outcome.value}.json"
        self.storage.put_new(name, json.dumps(told, sort_keys=True).encode())
        return Receipt(outcome, self.durable(said.scout_id), reason)

    def _keep(self, row: Row) -> None:
        rows, seq = self._rows.setdefault(row.scout_id, {}), self.durable(row.scout_id)
        rows[row.seq] = row
        while seq + 1 in rows:
            seq += 1
        self._durable[row.scout_id] = seq
        self.attempts[row.scout_id] = max(row.attempt, self.attempts.get(row.scout_id, 0))


def delta_folder(scout_id: int) -> str:
    return f"deltas/scout-{scout_id:05d}"


def _row_bytes(row: Row) -> bytes:
    told = asdict(row)
    return json.dumps({"row": told, "sha256": _digest(told)}, sort_keys=True).encode()


def _read_row(name: str, data: bytes) -> Row:
    """Raises CheckpointError where it is not what was written."""
    try:
        stored = json.loads(data)
        told = stored["row"]
        # Compared as text too: 1e-05 with a bit flipped may still be 1E-05.
        if stored["sha256"] != _digest(told) or json.dumps(stored, sort_keys=True).encode() != data:
            raise CheckpointError(name, "the row does not match its checksum", "restore it, or scout again")
        result = told.pop("result")
        return Row(**told, result=None if result is None else EpisodeResult(**result))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"is no row of the ledger ({type(error).__name__}: {error})"
        raise CheckpointError(name, what, "restore it, or scout again") from None


def _digest(told: dict[str, Any]) -> str:
    return sha256(json.dumps(told, sort_keys=True).encode())
