"""The ledger against a model of twenty lines, through repeats, disorder, damage and crashes.

Hypothesis writes the stories: what is pushed when, and who dies where. After every step the ledger must
have answered and hold what the model says, and in the end the guide must have the model's bytes.
"""

import shutil
import tempfile
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rnalearner.config import ScoutingConfig
from rnalearner.guide.ledger import Announcement, Outcome
from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.guide.versions import GuideVersions
from rnalearner.layout import RunLayout
from rnalearner.scouts.delta import WeightDelta
from rnalearner.storage import sha256
from tests.toy_deltas import BASE, RUN, V, bits, folded, ledger_on, memory_storage, random_delta, toy_delta

SCOUTS = st.integers(0, 2)
FAULTS = ("nan", "inf", "shape", "base", "norm", "announced as another")
MEMORY = Path("/dev/shm")


@lru_cache
def sound(scout_id: int, seq: int, variant: int) -> WeightDelta:
    return random_delta(scout_id, seq, variant)


@lru_cache
def faulty(scout_id: int, seq: int, kind: str) -> WeightDelta:
    about = {"seq": seq, "v": V}
    return {
        "nan": lambda: toy_delta(scout_id, (np.nan, 1), **about),
        "inf": lambda: toy_delta(scout_id, (1, -np.inf), **about),
        "shape": lambda: toy_delta(scout_id, (1, 2, 3), **about),
        "base": lambda: toy_delta(scout_id, base="c" * 64, **about),
        "norm": lambda: toy_delta(scout_id, (100, 0), **about),
        "announced as another": lambda: toy_delta(scout_id, seq=seq + 1, v=V),
    }[kind]()


class Model:
    """What a ledger is: the first sound delta of each key, and the latest attempt of each scout."""

    def __init__(self) -> None:
        self.first: dict[tuple[int, int], str] = {}
        self.latest: dict[int, int] = {}

    def push(self, said: Announcement, is_sound: bool) -> Outcome:
        key, latest = (said.scout_id, said.seq), self.latest.get(said.scout_id, 0)
        if said.run != RUN or said.attempt < latest:
            return Outcome.STALE
        if key in self.first:
            return Outcome.REPEATED if self.first[key] == said.sha256 else Outcome.CONFLICT
        if not is_sound:
            return Outcome.QUARANTINED
        self.first[key] = said.sha256
        self.latest[said.scout_id] = said.attempt
        return Outcome.COMMITTED

    def durable(self, scout_id: int) -> int:
        return next(seq for seq in range(len(self.first) + 1) if (scout_id, seq + 1) not in self.first)

    def last(self, scout_id: int) -> str | None:
        keys = [key for key in self.first if key[0] == scout_id]
        return self.first[max(keys)] if keys else None


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.storage = self.closing.enter_context(memory_storage())
        self.ledger, self.model = ledger_on(self.storage), Model()
        self.said: list[Announcement] = []
        self.sound: dict[str, bool] = {}
        """Path of a delta -> whether what lies there may be committed."""
        self.deltas: dict[str, WeightDelta] = {}
        self.refused: set[tuple[int, int, str, str]] = set()

    def attempt(self, scout_id: int) -> int:
        return self.model.latest.get(scout_id, 0)

    def next_seq(self, scout_id: int) -> int:
        return self.model.durable(scout_id) + 1

    def store(
        self, delta: WeightDelta, seq: int, is_sound: bool, attempt: int | None = None, run: str = RUN
    ) -> Announcement:
        """Put it where its scout would; what is then announced."""
        data = delta.to_bytes()
        attempt = self.attempt(delta.scout_id) if attempt is None else attempt
        said = Announcement(run, delta.scout_id, attempt, seq, sha256(data))
        self.storage.put(said.path, data)
        self.deltas[said.sha256], self.sound[said.path] = delta, is_sound
        return said

    def announce(self, said: Announcement) -> None:
        self.said.append(said)
        expected = self.model.push(said, self.sound[said.path])
        receipt = self.ledger.push(said)
        assert receipt.outcome is expected
        assert receipt.durable == self.model.durable(said.scout_id)
        assert bool(receipt.reason) is not receipt.accepted
        if not receipt.accepted:
            self.refused.add((said.scout_id, said.seq, said.sha256, expected.value))

    @rule(scout_id=SCOUTS, variant=st.integers(0, 1))
    def push(self, scout_id: int, variant: int) -> None:
        seq = self.next_seq(scout_id)
        self.announce(self.store(sound(scout_id, seq, variant), seq, True))

    @rule(scout_id=SCOUTS, ahead=st.integers(1, 3))
    def push_a_later_one_first(self, scout_id: int, ahead: int) -> None:
        seq = self.next_seq(scout_id) + ahead
        self.announce(self.store(sound(scout_id, seq, 0), seq, True))

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        self.announce(data.draw(st.sampled_from(self.said)))

    @precondition(lambda self: self.model.first)
    @rule(data=st.data(), variant=st.integers(0, 2))
    def push_another_under_a_key_that_is_taken(self, data: st.DataObject, variant: int) -> None:
        scout_id, seq = data.draw(st.sampled_from(sorted(self.model.first)))
        self.announce(self.store(sound(scout_id, seq, variant), seq, True))

    @rule(scout_id=SCOUTS, bit=st.integers(0, 8 * 600), cut=st.booleans())
    def push_what_was_damaged(self, scout_id: int, bit: int, cut: bool) -> None:
        seq = self.next_seq(scout_id)
        said = self.store(sound(scout_id, seq, 3), seq, False)
        whole = bytearray(self.storage.get(said.path))
        whole[bit // 8 % len(whole)] ^= 1 << bit % 8
        self.storage.put(said.path, bytes(whole[: -1 if cut else None]))
        self.announce(said)

    @rule(scout_id=SCOUTS)
    def push_what_is_not_there(self, scout_id: int) -> None:
        seq = self.next_seq(scout_id)
        said = self.store(sound(scout_id, seq, 4), seq, False)
        self.storage.remove(said.path)
        self.announce(said)

    @rule(scout_id=SCOUTS, variant=st.sampled_from([3, 4]))
    def send_once_more_what_was_damaged_or_lost(self, scout_id: int, variant: int) -> None:
        seq = self.next_seq(scout_id)
        self.announce(self.store(sound(scout_id, seq, variant), seq, True))

    @rule(scout_id=SCOUTS, kind=st.sampled_from(FAULTS))
    def push_one_with_a_fault(self, scout_id: int, kind: str) -> None:
        seq = self.next_seq(scout_id)
        self.announce(self.store(faulty(scout_id, seq, kind), seq, False))

    @rule(scout_id=SCOUTS)
    def push_one_of_another_run(self, scout_id: int) -> None:
        self.announce(self.store(random_delta(scout_id, 1, run="another"), 1, True, run="another"))

    @rule(scout_id=SCOUTS, later=st.integers(0, 2))
    def start_a_scout_again(self, scout_id: int, later: int) -> None:
        attempt = self.attempt(scout_id) + later
        assert self.ledger.admit(scout_id, attempt) == self.model.durable(scout_id)
        self.model.latest[scout_id] = attempt

    @rule(scout_id=SCOUTS, earlier=st.integers(-2, 1))
    def push_of_another_attempt(self, scout_id: int, earlier: int) -> None:
        """Of one that was replaced, mostly; or of a later one that did not say that it began."""
        attempt, seq = max(0, self.attempt(scout_id) + earlier), self.next_seq(scout_id)
        self.announce(self.store(sound(scout_id, seq, 0), seq, True, attempt))

    @rule()
    def crash(self) -> None:
        self.ledger = ledger_on(self.storage)

    @rule(scout_id=SCOUTS, variant=st.integers(0, 1))
    def crash_between_the_row_and_the_answer(self, scout_id: int, variant: int) -> None:
        """The scout hears nothing, finds the ledger back, and asks again."""
        seq = self.next_seq(scout_id)
        said = self.store(sound(scout_id, seq, variant), seq, True)
        self.model.push(said, True)
        self.ledger.push(said)
        self.ledger = ledger_on(self.storage)
        self.announce(said)

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        assert {(row.scout_id, row.seq): row.sha256 for row in self.ledger.rows()} == self.model.first
        assert {i: n for i, n in self.ledger.attempts.items() if n} == {
            i: n for i, n in self.model.latest.items() if n
        }
        for scout_id in range(3):
            assert self.ledger.durable(scout_id) == self.model.durable(scout_id)
            last = self.ledger.last(scout_id)
            assert (last and last.sha256) == self.model.last(scout_id)

    def teardown(self) -> None:
        with self.closing:
            self.crash()
            self.it_holds_what_the_model_holds()
            told = self.ledger.quarantined()
            assert {(q["scout_id"], q["seq"], q["sha256"], q["outcome"]) for q in told} == self.refused
            self.the_guide_has_the_model_s_bytes()

    def the_guide_has_the_model_s_bytes(self) -> None:
        last = {scout_id: self.model.last(scout_id) for scout_id in range(3)}
        scouts = [scout_id for scout_id, digest in last.items() if digest]
        if not scouts:
            return
        expected = folded([self.deltas[digest] for digest in last.values() if digest])
        found = Movement(BASE)
        for scout_id in scouts:
            row = self.ledger.last(scout_id)
            assert row is not None
            found.add(self.ledger.delta(row), row.sha256)
        assert bits(found) == bits(expected)
        assert found.members == expected.members
        root = tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None)
        self.closing.callback(shutil.rmtree, root)
        versions = GuideVersions(RunLayout(Path(root)), self.ledger, ScoutingConfig(), {})
        versions.publish(1, scouts)
        assert bits(Movement.load(versions.layout.movement)) == bits(expected)
        guide, values = Guide.load(versions.layout.guide), scaled(expected.measured())
        assert all(torch.equal(guide.values[name], value) for name, value in values.items())


def tell_stories(n: int, steps: int, derandomize: bool) -> None:
    about = settings(
        max_examples=n,
        stateful_step_count=steps,
        deadline=None,
        derandomize=derandomize,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(LedgerMachine, settings=about)


def test_no_story_of_500_makes_the_ledger_forget_or_count_twice():
    tell_stories(500, steps=12, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_story_of_5000_makes_the_ledger_forget_or_count_twice():
    tell_stories(5000, steps=24, derandomize=False)
