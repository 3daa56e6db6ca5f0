"""A request that is sent again does nothing again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from service.settings import Settings
from service.store.database import now
from service.store.idempotency import KEPT_S, sweep
from service.store.tables import events, idempotency, jobs
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running
from tests.service.toy_jobs import away, finetune

KEY = {"Idempotency-Key": "upload-7"}


@pytest.fixture
def waiting(settings: Settings, fake: FakeCluster) -> Iterator[Running]:
    with away(settings, fake) as gateway:
        yield gateway


def n_jobs(gateway: Running) -> int:
    with gateway.database.read() as connection:
        return connection.execute(select(func.count()).select_from(jobs)).scalar_one()


def test_the_same_request_gets_the_same_answer_and_makes_one_job(waiting: Running) -> None:
    first = waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY)
    again = waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert n_jobs(waiting) == 1


def test_the_same_key_with_another_request_is_refused(waiting: Running) -> None:
    job = waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY).headers["Location"]
    other_body = waiting.lab.post("/v1/jobs", json=finetune(label="other"), headers=KEY)
    other_path = waiting.lab.post(f"{job}:cancel", headers=KEY)
    for answer in (other_body, other_path):
        assert (answer.status_code, "was used for another request" in answer.text) == (422, True)
    assert waiting.lab.get(job).json()["status"] == "PENDING"


def test_each_owner_has_keys_of_their_own(waiting: Running) -> None:
    body = {"kind": "pretrain", "params": {"recipe": "smoke"}}
    mine = waiting.lab.post("/v1/jobs", json=body, headers=KEY)
    theirs = waiting.caller("other").post("/v1/jobs", json=body, headers=KEY)
    assert mine.json()["id"] != theirs.json()["id"]


def test_a_refused_request_may_be_mended_under_its_key(waiting: Running) -> None:
    assert waiting.lab.post("/v1/jobs", json=finetune("f" * 64), headers=KEY).status_code == 404
    assert waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY).status_code == 202


def test_of_requests_at_the_same_time_one_is_carried_out(waiting: Running) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY), range(16))
        )
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert n_jobs(waiting) == 1


def test_a_retried_retry_makes_one_attempt(waiting: Running) -> None:
    job = waiting.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    waiting.lab.post(f"{job}:cancel")
    for _ in range(2):
        answer = waiting.lab.post(f"{job}:retry", headers=KEY)
        assert (answer.status_code, answer.json()["attempt"]) == (202, 2)
    with waiting.database.read() as connection:
        told = connection.execute(select(events.c.kind).order_by(events.c.seq)).scalars().all()
    assert told == ["queued", "cancel", "ended", "retry"]


def test_a_key_is_short_and_printable(waiting: Running) -> None:
    for key in ("", "x" * 201, "a b", "ä"):
        headers = {"Idempotency-Key": key.encode("latin-1")}
        answer = waiting.lab.post("/v1/jobs", json=finetune(), headers=headers)
        assert (answer.status_code, n_jobs(waiting)) == (422, 0), key


def test_replies_are_kept_for_a_day_and_not_for_ever(waiting: Running) -> None:
    first = waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY).json()["id"]
    with waiting.database.write() as connection:
        assert sweep(connection, now() + 24 * 3600) == 0
    assert waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY).json()["id"] == first
    with waiting.database.write() as connection:
        assert sweep(connection, now() + KEPT_S + 1) == 1
        assert connection.execute(select(idempotency)).all() == []
    assert waiting.lab.post("/v1/jobs", json=finetune(), headers=KEY).json()["id"] != first
