"""The ledger, answer by answer: what it commits, absorbs and refuses, and what it finds again."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from rnalearner.errors import CheckpointError
from rnalearner.guide.ledger import Announcement, Ledger, Outcome, Receipt, Row
from rnalearner.scouts.delta import WeightDelta
from rnalearner.storage import Storage, sha256
from tests.toy_deltas import (
    BASE,
    RUN,
    V,
    announce,
    ledger_on,
    memory_storage,
    random_delta,
    toy_delta,
    toy_result,
)


@pytest.fixture(params=["folder", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield Storage(tmp_path)
        return
    with memory_storage() as storage:
        yield storage


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    return ledger_on(storage)


def push(ledger: Ledger, delta: WeightDelta, attempt: int = 0) -> Receipt:
    return ledger.push(announce(ledger.storage, delta, attempt))


def keys(ledger: Ledger) -> list[tuple[int, int]]:
    return [(row.scout_id, row.seq) for row in ledger.rows()]


def test_a_delta_is_committed_as_one_row_that_tells_whose_it_is(ledger, storage):
    delta = random_delta(3, accuracy=0.9)
    assert push(ledger, delta, attempt=2) == Receipt(Outcome.COMMITTED, 1)
    about = (BASE, delta.step, delta.n_samples, delta.weights, delta.result)
    row = Row(RUN, 3, 2, 1, sha256(delta.to_bytes()), *about)
    assert list(ledger.rows()) == [row]
    assert ledger.last(3) == row
    assert ledger.delta(row).to_bytes() == delta.to_bytes()
    assert storage.names("rows") == ["rows/scout-00003/00001.json"]
    assert json.loads(storage.get("rows/scout-00003/00001.json"))["row"]["sha256"] == row.sha256
    assert ledger.quarantined() == []


def test_a_repeated_delta_is_absorbed(ledger, storage):
    push(ledger, random_delta(3))
    before = {name: storage.get(name) for name in storage.names("rows")}
    for _ in range(3):
        receipt = push(ledger, random_delta(3))
        assert receipt == Receipt(Outcome.REPEATED, 1)
        assert receipt.accepted
    assert {name: storage.get(name) for name in storage.names("rows")} == before
    assert ledger.quarantined() == []


def test_a_repeated_delta_is_absorbed_even_when_its_file_is_gone(ledger, storage):
    said = announce(storage, random_delta(3))
    ledger.push(said)
    storage.remove(said.path)
    assert ledger.push(said).outcome is Outcome.REPEATED


def test_of_two_deltas_of_one_key_the_first_stays(ledger, storage):
    push(ledger, random_delta(3))
    receipt = push(ledger, random_delta(3, seed=1))
    assert (receipt.outcome, receipt.durable, receipt.accepted) == (Outcome.CONFLICT, 1, False)
    assert "delta 1 was committed as" in receipt.reason
    assert ledger.last(3).sha256 == sha256(random_delta(3).to_bytes())
    assert ledger_on(storage).last(3) == ledger.last(3)
    assert [told["outcome"] for told in ledger.quarantined()] == ["conflict"]


def test_what_a_replaced_attempt_still_sends_is_stale(ledger):
    push(ledger, random_delta(3), attempt=0)
    assert ledger.admit(3, 1) == 1
    receipt = push(ledger, random_delta(3, seq=2), attempt=0)
    assert (receipt.outcome, receipt.reason) == (Outcome.STALE, "attempt 1 has replaced attempt 0")
    assert push(ledger, random_delta(3), attempt=0).outcome is Outcome.STALE
    assert keys(ledger) == [(3, 1)]
    assert push(ledger, random_delta(3, seq=2), attempt=1).outcome is Outcome.COMMITTED
    assert push(ledger, random_delta(4), attempt=0).outcome is Outcome.COMMITTED


def test_an_attempt_that_was_never_admitted_replaces_earlier_ones_once_it_commits(ledger, storage):
    assert push(ledger, random_delta(3), attempt=2).outcome is Outcome.COMMITTED
    assert push(ledger, random_delta(3, seq=2), attempt=1).outcome is Outcome.STALE
    assert push(ledger_on(storage), random_delta(3, seq=2), attempt=1).outcome is Outcome.STALE


def test_an_earlier_attempt_that_asks_late_replaces_nobody(ledger, storage):
    ledger.admit(3, 4)
    assert ledger.admit(3, 1) == 0
    for opened in (ledger, ledger_on(storage)):
        assert opened.attempts == {3: 4}
        assert push(opened, random_delta(3), attempt=3).outcome is Outcome.STALE


def test_a_delta_of_another_run_is_none_of_ours(ledger):
    receipt = push(ledger, random_delta(3, run="another"))
    assert (receipt.outcome, receipt.durable) == (Outcome.STALE, 0)
    assert receipt.reason == f"it is of run another, not {RUN[:12]}"
    assert keys(ledger) == []


REFUSED = {
    "nan": (toy_delta(3, (np.nan, 0), v=V), "w is not finite"),
    "inf": (toy_delta(3, (np.inf, 0), v=V), "w is not finite"),
    "head nan": (toy_delta(3, v=V, head_g=(np.nan, 0, 1)), "its head is not finite"),
    "other shape": (toy_delta(3, (1, 2, 3), v=V), "w is (3,), not (2,)"),
    "other tensors": (toy_delta(3), "its tensors are not those that train (v)"),
    "other base": (
        toy_delta(3, v=V, base="c" * 64),
        f"it began at base checkpoint cccccccccccc, not {BASE[:12]}",
    ),
    "outlying": (toy_delta(3, (300, 0), v=V), "it moved 106, more than 3 times the base's 1"),
}


@pytest.mark.parametrize(("delta", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_delta_with_a_fault_is_quarantined_with_its_reason(ledger, storage, delta, reason):
    said = announce(storage, delta)
    assert ledger.push(said) == Receipt(Outcome.QUARANTINED, 0, reason)
    assert not ledger.push(said).accepted
    about = {"run": RUN, "scout_id": 3, "attempt": 0, "seq": 1, "sha256": said.sha256}
    assert ledger.quarantined() == [about | {"outcome": "quarantined", "reason": reason}]
    assert ledger_on(storage).quarantined() == ledger.quarantined()
    assert keys(ledger_on(storage)) == []
    assert push(ledger, random_delta(3)).outcome is Outcome.COMMITTED


def test_a_delta_that_is_not_there_is_refused_until_it_is(ledger, storage):
    said = announce(storage, random_delta(3))
    storage.remove(said.path)
    assert ledger.push(said) == Receipt(Outcome.QUARANTINED, 0, "it cannot be read (FileNotFoundError)")
    assert push(ledger, random_delta(3)).outcome is Outcome.COMMITTED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda whole: whole[:-1], "its bytes do not match their checksum"),
        (lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]), "its bytes do not match their checksum"),
        (lambda whole: b"", "its bytes do not match their checksum"),
    ],
    ids=["cut short", "a bit flipped", "empty"],
)
def test_bytes_that_are_not_those_announced_are_refused_until_they_are(ledger, storage, data, reason):
    said = announce(storage, random_delta(3))
    storage.put(said.path, data(storage.get(said.path)))
    assert ledger.push(said) == Receipt(Outcome.QUARANTINED, 0, reason)
    assert push(ledger, random_delta(3)).outcome is Outcome.COMMITTED


@pytest.mark.parametrize("data", [b"", b"no delta at all", b"\x00" * 99], ids=["empty", "text", "zeros"])
def test_what_was_truly_announced_and_is_no_delta_is_refused(ledger, storage, data):
    said = Announcement(RUN, 3, 0, 1, sha256(data))
    storage.put(said.path, data)
    receipt = ledger.push(said)
    assert receipt.outcome is Outcome.QUARANTINED
    assert "holds no tensors" in receipt.reason


@pytest.mark.parametrize(
    "change", [{"seq": 2}, {"scout_id": 4}, {"run": "another"}], ids=["seq", "scout", "run"]
)
def test_a_delta_that_was_announced_as_another_is_refused(ledger, storage, change):
    data = replace(random_delta(3), **change).to_bytes()
    said = Announcement(RUN, 3, 0, 1, sha256(data))
    storage.put(said.path, data)
    receipt = ledger.push(said)
    assert receipt.outcome is Outcome.QUARANTINED
    assert "announced as another" in receipt.reason
    assert keys(ledger) == []


def test_durable_is_up_to_the_first_gap(ledger, storage):
    told = [(push(ledger, random_delta(3, seq)).durable, keys(ledger)) for seq in (2, 4, 1, 5, 3)]
    assert [durable for durable, _ in told] == [0, 0, 2, 2, 5]
    assert told[2][1] == [(3, 1), (3, 2), (3, 4)]
    assert ledger.last(3).seq == 5
    assert ledger_on(storage).durable(3) == 5
    assert (ledger.durable(4), ledger.last(4)) == (0, None)


def test_whoever_opens_it_again_finds_everything(ledger, storage):
    for scout_id, seq in ((1, 1), (1, 2), (0, 2), (11, 1), (2, 1)):
        push(ledger, random_delta(scout_id, seq, accuracy=0.5 + seq / 10), attempt=seq)
    ledger.admit(7, 3)
    push(ledger, toy_delta(5, (np.nan, 0), v=V))
    found = ledger_on(storage)
    assert list(found.rows()) == list(ledger.rows())
    assert keys(found) == [(0, 2), (1, 1), (1, 2), (2, 1), (11, 1)]
    assert found.attempts == ledger.attempts == {0: 2, 1: 2, 2: 1, 7: 3, 11: 1}
    assert [found.durable(i) for i in (0, 1, 2, 11)] == [0, 2, 1, 1]
    assert found.quarantined() == ledger.quarantined()
    assert found.ended() == ledger.ended()
    for row in found.rows():
        delta = random_delta(row.scout_id, row.seq, accuracy=0.5 + row.seq / 10)
        assert found.delta(row).to_bytes() == delta.to_bytes()


def test_a_scout_has_ended_when_its_last_delta_says_how(ledger):
    push(ledger, random_delta(2, accuracy=0.8))
    push(ledger, random_delta(0))
    push(ledger, random_delta(1, seq=2, accuracy=0.7))
    assert ledger.ended() == {1: toy_result(1, 0.7), 2: toy_result(2, 0.8)}
    push(ledger, random_delta(1))
    assert ledger.ended().keys() == {1, 2}
    push(ledger, random_delta(2, seq=2))
    assert ledger.ended().keys() == {1}


@pytest.mark.parametrize(
    "data",
    [
        lambda row: row[:-1],
        lambda row: b"",
        lambda row: row.replace(b'"seq": 1', b'"seq": 2'),
        lambda row: row.replace(b'"accuracy": 0.9', b'"accuracy": 0.8'),
        lambda row: row.replace(b'"loss": 1e-05', b'"loss": 1E-05'),
        lambda row: b'{"row": {}, "sha256": ""}',
        lambda row: b"[]",
        lambda row: b'{"row": 3, "sha256": "%s"}' % sha256(b"3").encode(),
        lambda row: b"\xff" + row,
    ],
    ids=[
        "cut",
        "empty",
        "other seq",
        "other accuracy",
        "other spelling",
        "no row",
        "a list",
        "a number",
        "no UTF-8",
    ],
)
def test_a_damaged_row_is_refused_with_its_name(ledger, storage, data):
    push(ledger, random_delta(3, accuracy=0.9))
    name = "rows/scout-00003/00001.json"
    whole = storage.get(name)
    assert data(whole) != whole
    storage.put(name, data(whole))
    with pytest.raises(CheckpointError) as caught:
        ledger_on(storage)
    assert caught.value.where == name


def test_a_delta_that_was_damaged_after_its_commit_is_not_read(ledger, storage):
    said = announce(storage, random_delta(3))
    ledger.push(said)
    whole = storage.get(said.path)
    storage.put(said.path, bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        ledger.delta(ledger.last(3))
    storage.remove(said.path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        ledger.delta(ledger.last(3))


def test_no_order_of_arrival_changes_the_rows():
    deltas = [random_delta(0), random_delta(0, 2), random_delta(1), random_delta(1, 2)]
    found = []
    for arrived in permutations(deltas):
        with memory_storage() as storage:
            ledger = ledger_on(storage)
            for delta in arrived:
                push(ledger, delta)
            found.append({name: storage.get(name) for name in storage.names("")})
            assert (ledger.durable(0), ledger.durable(1)) == (2, 2)
    assert all(files == found[0] for files in found)


def test_two_ledgers_of_one_folder_commit_a_key_once(tmp_path: Path):
    """A guide's actor that was thought dead may still answer beside its successor."""
    storage, n_seqs = Storage(tmp_path), 20
    ledgers = [ledger_on(storage) for _ in range(2)]
    seqs = range(1, n_seqs + 1)
    said = [[announce(storage, random_delta(3, seq, seed=n)) for seq in seqs] for n in range(2)]
    begin, receipts = threading.Barrier(2), {}

    def work(n: int) -> None:
        for one in said[n]:
            begin.wait()
            receipts[n, one.seq] = ledgers[n].push(one).outcome

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seq in seqs:
        outcomes = [receipts[n, seq] for n in range(2)]
        assert sorted(outcome.value for outcome in outcomes) == ["committed", "conflict"]
        winner = said[outcomes.index(Outcome.COMMITTED)][seq - 1]
        for opened in (*ledgers, ledger_on(storage)):
            assert [row.sha256 for row in opened.rows() if row.seq == seq] == [winner.sha256]
