"""A scout's side of the protocol: on storage first, then announced, forgotten once it is durable."""

import os
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from rnalearner.errors import CheckpointError, ClusterError, RnalearnerError
from rnalearner.guide.ledger import Announcement, Receipt, delta_folder
from rnalearner.scouts.delta import WeightDelta
from rnalearner.scouts.state import EpisodeState
from rnalearner.storage import Storage, sha256

MAX_UNACKNOWLEDGED = 2
PATIENCE_S = 120.0
"""How long a scout waits for a guide's actor that is gone: its supervisor makes another."""
Answer = TypeVar("Answer")


class Outbox:
    """Deltas and states of one attempt of a scout."""

    def __init__(self, guide_name: str, storage: Storage, run: str, scout_id: int, attempt: int) -> None:
        """`guide_name`: the guide's actor, by name, because it may be another one after a failure."""
        self.guide_name, self.storage = guide_name, storage
        self.run, self.scout_id, self.attempt = run, scout_id, attempt
        self.waiting: list[tuple[Announcement, ray.ObjectRef | None]] = []
        self.states: list[str] = []

    def begin(self) -> EpisodeState | None:
        """What earlier attempts left: their newest state, after the guide has all deltas up to it."""
        who = f"{socket.gethostname()} {os.getpid()}"
        durable = self._ask(lambda guide: guide.admit.remote(self.scout_id, self.attempt, who))
        state = self._newest_state()
        for name in self.storage.names(delta_folder(self.scout_id)):
            seq = int(name.rsplit("/", 1)[1].split("-")[0])
            if state is not None and durable < seq <= state.seq:
                self._announce(seq, sha256(self.storage.get(name)))
            elif seq > durable:  # of a round that no state remembers: it will be made again
                self.storage.remove(name)
        self.flush()
        return state

    def send(self, delta: WeightDelta, state: EpisodeState) -> None:
        """Delta and state are on storage, and the delta announced, when this returns.

        The state comes before the announcement, so what the guide has heard of is never done again, and a
        repeated round can only be one that nobody knows of.
        """
        data = delta.to_bytes()
        said = Announcement(self.run, self.scout_id, self.attempt, delta.seq, sha256(data))
        self.storage.put(said.path, data)
        self._put_state(state)
        self._announce(delta.seq, said.sha256)
        while len(self.waiting) > MAX_UNACKNOWLEDGED:
            self._acknowledged()

    def flush(self) -> None:
        """Wait for every answer."""
        while self.waiting:
            self._acknowledged()

    def _announce(self, seq: int, digest: str) -> None:
        said = Announcement(self.run, self.scout_id, self.attempt, seq, digest)
        self.waiting.append((said, self._send(said)))

    def _send(self, said: Announcement) -> "ray.ObjectRef | None":
        try:
            return ray.get_actor(self.guide_name).push.remote(said)
        except (RayError, ValueError):  # it is gone: the answer is asked for again
            return None

    def _acknowledged(self) -> None:
        """Take the oldest answer, and delete what it has made superfluous."""
        said, ref = self.waiting.pop(0)
        receipt: Receipt
        try:
            receipt = self._ask(lambda guide: guide.push.remote(said)) if ref is None else ray.get(ref)
        except RayTaskError as error:
            raise error.cause from error
        except RayError:  # once more: a delta that is there already is absorbed
            receipt = self._ask(lambda guide: guide.push.remote(said))
        if not receipt.accepted:
            what = f"its delta {said.seq} was refused: {receipt.reason}"
            raise RnalearnerError(f"scout {self.scout_id}", what, "see `quarantine` beside the deltas")
        for name in self.storage.names(delta_folder(self.scout_id)):
            if int(name.rsplit("/", 1)[1].split("-")[0]) < receipt.durable:
                self.storage.remove(name)

    def _ask(self, question: "Callable[[Any], ray.ObjectRef]") -> Any:
        """Ask the guide's actor, whichever lives; raises ClusterError where none does for long."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ray.get(question(ray.get_actor(self.guide_name)))
            except RayTaskError as error:
                raise error.cause from error
            except (RayError, ValueError) as error:
                if time.monotonic() > deadline:
                    what = f"the guide's actor has been gone for {PATIENCE_S:.0f} s ({error})"
                    raise ClusterError(f"scout {self.scout_id}", what, "see the logs of Ray") from error
                time.sleep(0.1)

    @property
    def _state_folder(self) -> str:
        return f"states/scout-{self.scout_id:05d}"

    def _put_state(self, state: EpisodeState) -> None:
        data = state.to_bytes()
        # The later attempt's states come first, whatever an earlier one that still runs may write.
        name = f"{self._state_folder}/{self.attempt:05d}-{state.seq:05d}-{sha256(data)}.safetensors"
        self.storage.put(name, data)
        self.states.append(name)
        for old in self.states[:-2]:
            self.storage.remove(old)
        self.states = self.states[-2:]

    def _newest_state(self) -> EpisodeState | None:
        """The newest undamaged state of the latest attempt that left one."""
        self.states = self.storage.names(self._state_folder)
        for name in reversed(self.states):
            data = self.storage.get(name)
            if sha256(data) != name.rsplit("-", 1)[1].removesuffix(".safetensors"):
                continue
            try:
                return EpisodeState.from_bytes(data)
            except CheckpointError:
                continue
        return None
