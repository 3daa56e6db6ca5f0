"""Every job reaches the end that its own folder tells of, whatever the cluster says and whoever dies."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from rnalearner.layout import AttemptLayout, RunLayout
from service.jobs.lease import Lease
from service.jobs.reconcile import Limits
from service.settings import Settings
from service.store.database import Database
from service.store.tables import jobs
from service.submitter import RayStatus
from tests.service.fake_cluster import FakeCluster
from tests.service.house import House

FAULT = {"where": "task t", "what": "has one class", "remedy": "name two groups"}


@pytest.fixture
def either(settings: Settings, fake: FakeCluster) -> Iterator[House]:
    """On each of the two databases; takes nothing for dead while a test lasts."""
    yield from _house(settings.model_copy(update={"max_running": 3}), fake)


@pytest.fixture
def patient(tmp_path: Path, sqlite_url: str, fake: FakeCluster) -> Iterator[House]:
    """The same, on SQLite, for what does not touch the database's kind."""
    yield from _house(Settings(data=tmp_path / "data", database_url=sqlite_url, max_running=3), fake)


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str, fake: FakeCluster) -> Iterator[House]:
    """Takes a job for dead after 0.8 s; or a quarter of that, where the cluster says so, too."""
    impatient = {"heartbeat_timeout_s": 0.8, "start_timeout_s": 0.8, "max_running": 3, "min_free_mb": 0}
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url)
    yield from _house(settings.model_copy(update=impatient), fake)


def _house(settings: Settings, fake: FakeCluster) -> Iterator[House]:
    database = Database(settings.url)
    settings.data.mkdir(exist_ok=True)
    database.migrate()
    yield House(settings, database, fake)
    database.close()


def attempt_of(house: House, job: str, number: int = 1) -> AttemptLayout:
    return RunLayout(house.settings.jobs / job).attempt(number)


def begun(house: House) -> str:
    """A job that runs."""
    (name,) = house.submit()
    house.fake.wait_for(f"{name}-1")
    house.fake.begin(f"{name}-1")
    house.until(name, "RUNNING")
    return name


# How jobs end.


def test_a_job_is_followed_from_the_queue_to_its_end(either: House) -> None:
    with either.supervised():
        name = begun(either)
        either.fake.say(f"{name}-1", "phase", {"name": "ingest", "state": "running"})
        figures = {"loss": 0.5}
        told = {"label": "studies", "done": 1, "total": 2, "note": "GSE1", "figures": figures}
        either.fake.say(f"{name}-1", "progress", told)
        row = either.wait(lambda: either.row(name), lambda row: row.progress["done"] == 1)
        assert (row.progress["label"], row.progress["total"], row.progress["note"]) == ("studies", 2, "GSE1")
        either.fake.finish(f"{name}-1", figures={"export": {}}, files={"report/summary.json": b"{}\n"})
        row = either.until(name, "SUCCEEDED")
    assert row.created <= row.submitted <= row.started <= row.ended
    either.check_ended(name, "SUCCEEDED")
    assert either.kinds(name) == ["queued", "submitted", "started", "phase", "progress", "ended"]
    assert either.history(name)[4][1]["figures"] == figures


@pytest.mark.parametrize(
    ("status", "cause", "attempts"),
    [("FAILED", "user", 1), ("FAILED", "system", 2), ("STOPPED", None, 2)],
    ids=["what_the_user_gave", "what_the_system_did", "stopped_though_nobody_asked"],
)
def test_only_what_the_system_did_is_tried_again_and_not_for_ever(
    either: House, status: str, cause: str | None, attempts: int
) -> None:
    error = None if status == "STOPPED" else FAULT
    (name,) = either.submit()
    with either.supervised():
        for attempt in range(1, attempts + 1):
            either.fake.wait_for(f"{name}-{attempt}")
            either.fake.begin(f"{name}-{attempt}")
            either.fake.finish(f"{name}-{attempt}", status, cause, error)
        row = either.until(name, status)
        time.sleep(0.1)
    assert (row.attempt, row.error) == (attempts, error)
    assert [submission.calls for submission in either.fake.submissions] == [1] * attempts
    once = ["submitted", "started"]
    assert either.kinds(name) == ["queued", *once, *(["retry", *once] * (attempts - 1)), "ended"]


def test_a_success_whose_files_are_not_whole_is_none(patient: House) -> None:
    (name,) = patient.submit()
    with patient.supervised():
        for attempt in (1, 2):
            patient.fake.wait_for(f"{name}-{attempt}")
            result = attempt_of(patient, name, attempt).result
            result.write_text(
                json.dumps(
                    {
                        "attempt": attempt,
                        "status": "SUCCEEDED",
                        "files": [{"path": "report/summary.json", "bytes": 3, "sha256": "0" * 64}],
                    }
                )
            )
        row = patient.until(name, "FAILED")
    assert row.error["where"] == "report/summary.json"
    patient.check_ended(name, "FAILED", "system")


# Lost jobs, and a cluster that lies or is silent.


@pytest.mark.parametrize("word", ["FAILED", "RUNNING", None, "unreachable"])
def test_a_killed_job_is_found_whatever_the_cluster_says(house: House, word: RayStatus | None) -> None:
    """It is tried once more, killed again, and has then failed by the system."""
    (name,) = house.submit()
    with house.supervised():
        for attempt in (1, 2):
            house.fake.wait_for(f"{name}-{attempt}")
            house.fake.begin(f"{name}-{attempt}")
            house.wait(lambda: house.row(name).beat, bool)
            if word == "unreachable":
                house.fake.unreachable()
            else:
                house.fake.answer(f"{name}-{attempt}", word)
            if attempt == 1:
                house.wait(lambda: house.row(name).attempt, lambda number: number == 2)
                house.fake.unreachable(False)
        row = house.until(name, "FAILED")
    assert "was lost" in row.error["what"]
    house.check_ended(name, "FAILED", "system")
    assert [kind for kind in house.kinds(name) if kind in ("lost", "retry")] == ["lost"]
    assert attempt_of(house, name, 3).root.is_dir(), "what may be left of it would see a higher attempt"


def test_a_job_that_never_begins_is_lost_soon_where_the_cluster_says_it_is_over(house: House) -> None:
    names = house.submit(2)
    with house.supervised():
        house.fake.wait_for(f"{names[0]}-1")
        house.fake.answer(f"{names[0]}-1", "FAILED")
        begun = time.time()
        house.wait(lambda: house.row(names[0]).attempt, lambda attempt: attempt == 2)
        assert time.time() - begun < house.settings.start_timeout_s
        row = house.until(names[1], "FAILED")  # PENDING for ever
    assert "never began" in row.error["what"]


def test_a_beating_heart_outweighs_every_word_of_the_cluster(house: House) -> None:
    with house.supervised(limits=Limits(heartbeat_timeout_s=2.4)):
        name = begun(house)
        heartbeat, beats = attempt_of(house, name).heartbeat, iter(range(2, 1000))
        for word in ("FAILED", None, "SUCCEEDED", "unreachable"):
            house.fake.unreachable(word == "unreachable")
            house.fake.answer(f"{name}-1", None if word == "unreachable" else word)  # type: ignore[arg-type]
            for _ in range(7):
                heartbeat.write_text(json.dumps({"beat": next(beats), "at": 0}))
                time.sleep(0.1)
        row = house.row(name)
        assert (row.status, row.attempt) == ("RUNNING", 1)
        house.fake.finish(f"{name}-1")
        house.until(name, "SUCCEEDED")


def test_a_new_attempt_first_stops_what_is_left_of_the_old_one(house: House) -> None:
    with house.supervised():
        name = begun(house)
        house.fake.wait_for(f"{name}-2")
    assert house.fake.stopped[0] == f"{name}-1"
    assert attempt_of(house, name, 2).root.is_dir()


def test_the_old_attempts_late_last_word_counts_no_more(house: House) -> None:
    with house.supervised():
        name = begun(house)
        house.fake.wait_for(f"{name}-2")
        house.fake.finish(f"{name}-1")
        house.fake.begin(f"{name}-2")
        house.fake.finish(f"{name}-2", "FAILED", "user", FAULT)
        house.until(name, "FAILED")
    house.check_ended(name, "FAILED", "user")


# Gateways that come and go.


@pytest.mark.parametrize("alive", [False, True], ids=["ended_meanwhile", "still_runs"])
def test_a_restarted_gateway_finds_its_jobs_again(either: House, alive: bool) -> None:
    with either.supervised():
        name = begun(either)
    either.fake.say(f"{name}-1", "phase", {"name": "ingest", "state": "running"})
    either.fake.answer(f"{name}-1", None)  # the cluster was restarted, too
    if not alive:
        either.fake.finish(f"{name}-1", figures={"export": {"n": 1}})
    with either.supervised():
        if alive:
            either.wait(lambda: either.kinds(name), lambda kinds: kinds[-1] == "phase")
            assert either.row(name).status == "RUNNING"
            either.fake.finish(f"{name}-1")
        either.until(name, "SUCCEEDED")
    either.check_ended(name, "SUCCEEDED")
    assert either.kinds(name) == ["queued", "submitted", "started", "phase", "ended"]
    assert len(either.fake.submissions) == 1


def test_a_job_that_ran_and_ended_before_its_submission_was_recorded_is_not_run_again(either: House) -> None:
    (name,) = either.submit()
    with either.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == name).values(submitted=1.0))
    either.fake.submit(f"{name}-1", ["export"], either.settings.jobs / name)
    either.fake.begin(f"{name}-1")
    either.fake.finish(f"{name}-1")
    with either.supervised():
        either.until(name, "SUCCEEDED")
    assert either.fake.submissions[0].calls == 1
    assert either.kinds(name) == ["queued", "submitted", "started", "ended"]


def test_a_gateway_that_slept_gives_jobs_time_to_beat_before_it_takes_them_for_dead(patient: House) -> None:
    with patient.supervised():
        name = begun(patient)
    with patient.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == name).values(beat_seen=time.time() - 3600))
    with patient.supervised():
        time.sleep(0.2)
        assert patient.row(name).attempt == 1
        patient.fake.beat(f"{name}-1", 2)
        patient.wait(lambda: patient.row(name).beat, lambda number: number == 2)
    assert patient.row(name).attempt == 1


def test_of_two_gateways_one_acts_and_the_other_takes_over(either: House) -> None:
    names = either.submit(12)
    either.fake.behave("succeed")
    with either.supervised() as first, either.supervised() as second:
        for name in names[:6]:
            either.until(name, "SUCCEEDED")
        assert first._lease.hold(time.time()) != second._lease.hold(time.time())
        first.stop()
        for name in names[6:]:
            either.until(name, "SUCCEEDED")
        assert second._lease.hold(time.time())
    assert [(submission.id, submission.calls) for submission in either.fake.submissions] == [
        (f"{name}-1", 1) for name in names
    ]
    for name in names:
        assert either.kinds(name) == ["queued", "submitted", "started", "ended"]


def test_a_lease_is_kept_by_renewal_and_lost_by_silence_or_death(either: House) -> None:
    first, second = Lease(either.database, 10), Lease(either.database, 10)
    assert first.hold(100)
    assert not second.hold(105)
    assert first.hold(109)
    assert not second.hold(118)
    assert second.hold(120)
    assert not first.hold(121)
    second.release()
    assert first.hold(122)
    dead = Lease(either.database, 10)
    dead.holder = ":".join([*first.holder.split(":")[:2], "1", "0"])  # of this host; its pid is another's now
    first.release()
    assert dead.hold(122)
    assert second.hold(123)


# Cancelling.


def test_cancelled_in_the_queue_it_never_reaches_the_cluster(patient: House) -> None:
    patient.fake.unreachable()
    (name,) = patient.submit()
    with patient.supervised():
        patient.cancel(name)
        patient.until(name, "STOPPED")
        patient.fake.unreachable(False)
        (later,) = patient.submit()
        patient.fake.wait_for(f"{later}-1")
    patient.check_ended(name, "STOPPED")
    assert [submission.id for submission in patient.fake.submissions] == [f"{later}-1"]


def test_a_waiting_job_that_only_carries_the_mark_is_ended(patient: House) -> None:
    """As the deletion of its dataset leaves it."""
    patient.fake.unreachable()
    (name,) = patient.submit()
    with patient.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == name).values(cancel=True))
    with patient.supervised():
        patient.until(name, "STOPPED")
    patient.check_ended(name, "STOPPED")


def test_cancelled_on_the_cluster_before_it_began_it_is_over_as_soon_as_the_cluster_says_so(
    patient: House,
) -> None:
    (name,) = patient.submit()
    with patient.supervised():
        patient.wait(lambda: patient.row(name).beat, lambda beat: beat == 0)
        patient.cancel(name)
        patient.until(name, "STOPPED", timeout=5)
    assert patient.fake.stopped[0] == f"{name}-1"
    patient.check_ended(name, "STOPPED")


@pytest.mark.parametrize(("status", "cause"), [("STOPPED", None), ("SUCCEEDED", None), ("FAILED", "user")])
def test_cancelled_while_it_runs_it_ends_as_it_says_itself(
    patient: House, status: str, cause: str | None
) -> None:
    with patient.supervised():
        name = begun(patient)
        patient.cancel(name)
        patient.wait(lambda: patient.fake.stopped, bool)
        patient.fake.finish(f"{name}-1", status, cause, FAULT if cause else None)
        patient.until(name, status)
    patient.check_ended(name, status, cause)


@pytest.mark.parametrize("reachable", [True, False])
def test_a_job_that_does_not_end_after_the_stop_is_declared_stopped(patient: House, reachable: bool) -> None:
    with patient.supervised(limits=Limits(forced_stop_s=0.3)):
        name = begun(patient)
        patient.fake.unreachable(not reachable)
        patient.cancel(name)
        patient.until(name, "STOPPED")
        assert attempt_of(patient, name, 2).root.is_dir()
        patient.fake.unreachable(False)
        patient.wait(lambda: patient.fake.stopped, bool)
    patient.check_ended(name, "STOPPED")
    assert patient.kinds(name).count("cancel") == 1


def test_a_cancelled_job_can_be_tried_again(either: House) -> None:
    with either.supervised():
        name = begun(either)
        either.cancel(name)
        either.fake.finish(f"{name}-1", "STOPPED")
        either.until(name, "STOPPED")
        either.retry(name)
        either.fake.wait_for(f"{name}-2")
        either.fake.begin(f"{name}-2")
        either.fake.finish(f"{name}-2")
        either.until(name, "SUCCEEDED")
    assert either.kinds(name) == [
        "queued", "submitted", "started", "cancel", "ended", "retry", "submitted", "started", "ended",
    ]  # fmt: skip


# What is in the way.


def test_garbage_among_the_events_stops_nothing(either: House) -> None:
    with either.supervised():
        name = begun(either)
        events = attempt_of(either, name).events
        good = {"at": 1, "kind": "phase", "data": {"name": "a \0 \u2028 \U0001f9ec", "state": "running"}}
        lines = [
            b"\xff\xfe\x00 not text",
            b"[" * 100_000,
            b"[]",
            b"null",
            b'{"at": NaN, "kind": "started", "data": {}}',
            b'{"at": 1, "kind": "progress", "data": {"label": "x", "done": 1e999, "total": 1}}',
            b'{"at": 1, "kind": "progress", "data": {"label": 7}}',
            b'{"at": 1e300, "kind": "started", "data": {}}',
            b'{"at": 1, "kind": "progress", "data": {"label": "x", "done": 1, "total": 1%b}}' % (b"0" * 400),
            b'{"at": 1, "kind": "phase", "data": {"name": "\\ud800", "state": "done"}}',
            b'{"at": 1, "kind": "no such kind", "data": {}}',
            b'{"at": 1, "kind": "ended", "data": {"status": "SUCCEEDED"}}',
            b'{"at": 1, "kind": "started", "data": {"pid": 1' + b"0" * 5000 + b"}}",
            b"x" * (3 << 20),
            b"",
            json.dumps(good).encode(),
        ]
        with events.open("ab") as file:
            file.write(b"\n".join(lines) + b"\n")
            file.write(b'{"at": 2, "kind": "phase", "da')
            file.flush()
            either.wait(lambda: either.kinds(name), lambda kinds: kinds[-1] == "phase")
            time.sleep(0.1)
            assert either.kinds(name) == ["queued", "submitted", "started", "phase"]
            file.write(b'ta": {"name": "ingest", "state": "done"}}\n')
        either.wait(lambda: either.kinds(name), lambda kinds: len(kinds) == 5)
        (other,) = either.submit()
        either.fake.wait_for(f"{other}-1")
        either.fake.finish(f"{name}-1")
        either.until(name, "SUCCEEDED")
    assert either.kinds(name) == ["queued", "submitted", "started", "phase", "phase", "ended"]


def test_ten_thousand_events_are_taken_each_once_by_supervisors_that_come_and_go(either: House) -> None:
    either.settings.jobs.mkdir(exist_ok=True)
    with either.supervised():
        name = begun(either)
    events, n = attempt_of(either, name).events, 10_000

    def write() -> None:
        with events.open("ab", buffering=1000) as file:  # so lines are cut anywhere
            for done in range(n):
                data = {"label": "x", "done": done, "total": n, "note": ""}
                line = {"seq": done, "at": 1.0 + done, "kind": "progress", "data": data}
                file.write(json.dumps(line).encode() + b"\n")

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(5):
        with either.supervised():
            time.sleep(0.05)
    writer.join()
    either.fake.finish(f"{name}-1")
    with either.supervised():
        either.until(name, "SUCCEEDED")
    told = [data["done"] for kind, data in either.history(name) if kind == "progress"]
    assert told == list(range(n))


def test_a_slow_cluster_does_not_keep_the_news_of_running_jobs_waiting(house: House) -> None:
    class Slow(FakeCluster):
        def stop(self, submission_id: str) -> None:
            time.sleep(0.4)
            super().stop(submission_id)

        def check(self) -> None:
            time.sleep(0.4)
            super().check()

    with house.supervised(Slow(house.fake.folder), Limits()):
        cancelled, name = begun(house), begun(house)
        (third,) = house.submit()
        house.fake.wait_for(f"{third}-1")
        house.cancel(cancelled)
        house.cancel(third)
        for done in range(6):
            house.fake.say(f"{name}-1", "progress", {"label": "x", "done": done, "total": 9, "note": ""})
            said = time.monotonic()
            house.wait(
                lambda: (house.row(name).progress or {}).get("done"), lambda seen, done=done: seen == done
            )
            assert time.monotonic() - said < 0.4 + 0.4


def test_a_job_that_cannot_be_looked_at_keeps_no_other_from_its_end(
    patient: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.jobs import caretaker

    def poisoned(database: Database, run: RunLayout, job: object) -> object:
        if run.root.name == bad:
            raise ZeroDivisionError
        return whole(database, run, job)  # type: ignore[arg-type]

    whole = caretaker.take_news
    monkeypatch.setattr(caretaker, "take_news", poisoned)
    bad, good = patient.submit(2)
    with patient.supervised():
        patient.fake.wait_for(f"{good}-1")
        patient.fake.finish(f"{good}-1")
        patient.until(good, "SUCCEEDED")


def test_a_row_that_goes_while_it_is_looked_after_is_let_go(either: House, tmp_path: Path) -> None:
    with either.supervised():
        name = begun(either)
        with either.database.write() as connection:
            connection.execute(jobs.delete().where(jobs.c.id == name))
        either.fake.finish(f"{name}-1")
        (other,) = either.submit()
        either.fake.wait_for(f"{other}-1")
        either.fake.finish(f"{other}-1")
        either.until(other, "SUCCEEDED")
