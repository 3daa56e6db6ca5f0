"""The gateway's queue: in order, within its limits, and each attempt once on the cluster."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from rnalearner.config import RunConfig
from rnalearner.errors import ClusterError
from rnalearner.layout import RunLayout
from service.jobs import queue
from service.settings import Settings
from service.store.database import Database
from service.store.tables import jobs
from tests.service.fake_cluster import FakeCluster
from tests.service.house import House


@pytest.fixture
def house(settings: Settings, fake: FakeCluster) -> Iterator[House]:
    database = Database(settings.url)
    settings.data.mkdir(exist_ok=True)
    database.migrate()
    yield House(settings.model_copy(update={"max_running": 2}), database, fake)
    database.close()


def test_jobs_are_handed_over_in_their_order_and_never_more_than_may_run(house: House) -> None:
    names = house.submit(7)
    with house.supervised():
        for done, name in enumerate(names):
            submission = house.fake.wait_for(f"{name}-1")
            house.wait(
                lambda done=done: len(house.fake.submissions), lambda n, done=done: n == min(7, done + 2)
            )
            house.fake.begin(submission.id)
            house.fake.finish(submission.id)
            house.until(name, "SUCCEEDED")
    assert [submission.id for submission in house.fake.submissions] == [f"{name}-1" for name in names]
    assert {submission.calls for submission in house.fake.submissions} == {1}
    for name in names:
        house.check_ended(name, "SUCCEEDED")
        assert house.kinds(name) == ["queued", "submitted", "started", "ended"]


def test_a_job_carries_its_recipe_and_says_where_it_runs(house: House) -> None:
    (name,) = house.submit()
    with house.supervised():
        submission = house.fake.wait_for(f"{name}-1")
    run = RunLayout(house.settings.jobs / name)
    assert submission.folder == run.root
    assert submission.words[:2] == ["export", str(run.recipe)]
    assert submission.words[-2:] == ["--ray.address", "auto"]
    assert submission.words[submission.words.index("--attempt") + 1] == "1"
    assert RunConfig.model_validate(json.loads(run.recipe.read_text())).name == name


def test_nothing_is_submitted_to_a_cluster_that_does_not_answer_or_takes_jobs_from_anybody(
    house: House,
) -> None:
    house.fake.unguarded()
    (name,) = house.submit()
    with house.supervised() as supervisor:
        house.wait(lambda: supervisor.health["seen"], bool)
        assert "without a token" in supervisor.health["cluster"]
        house.fake.unreachable()
        house.wait(lambda: supervisor.health["cluster"], lambda wrong: "does not answer" in wrong)
        assert house.row(name).submitted is None
        house.fake.unguarded(False)
        house.fake.unreachable(False)
        house.fake.wait_for(f"{name}-1")
        assert supervisor.health["cluster"] is None


def test_a_submission_that_was_never_recorded_is_repeated_and_absorbed(house: House) -> None:
    """As after a kill between the two: the row is claimed, the cluster may or may not have the job."""
    first, second = house.submit(2)
    with house.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_((first, second))).values(submitted=1.0))
    house.fake.submit(f"{first}-1", ["export"], house.settings.jobs / first)
    with house.supervised():
        house.wait(lambda: (house.row(first).beat, house.row(second).beat), lambda beats: None not in beats)
    assert {submission.id: submission.calls for submission in house.fake.submissions} == {
        f"{first}-1": 2,
        f"{second}-1": 1,
    }
    assert house.kinds(first) == house.kinds(second) == ["queued", "submitted"]


def test_the_half_recipe_of_a_gateway_that_was_killed_while_it_wrote_goes(house: House) -> None:
    (name,) = house.submit()
    run = RunLayout(house.settings.jobs / name)
    run.root.mkdir(parents=True)
    run.root.joinpath(".7c0beec955c44f58b8e2001618f85614.recipe.json").write_text("{")
    with house.supervised():
        house.fake.wait_for(f"{name}-1")
    assert sorted(path.name for path in run.root.iterdir()) == ["attempts", "recipe.json"]


def test_what_a_job_builds_on_is_looked_up_again_and_its_absence_is_the_users(house: House) -> None:
    first, second = house.submit(2)
    with house.database.write() as connection:
        gone = {"recipe": "withdrawn", "max_steps": None, "licence": "unknown"}
        connection.execute(update(jobs).where(jobs.c.id == first).values(params=gone))
    with house.supervised():
        house.fake.wait_for(f"{second}-1")
        row = house.until(first, "FAILED")
    assert "withdrawn" in row.error["where"]
    house.check_ended(first, "FAILED", "user")


def test_a_submission_that_the_cluster_refuses_again_and_again_does_not_block_the_queue(house: House) -> None:
    class Refuses(FakeCluster):
        def submit(self, submission_id: str, *rest: object, **named: object) -> None:
            if submission_id.startswith(names[0]):
                raise ClusterError("Ray", "answered 500", "see the logs of its head")
            super().submit(submission_id, *rest, **named)  # type: ignore[arg-type]

    names = house.submit(2)
    with house.supervised(Refuses(house.fake.folder)):
        row = house.until(names[0], "FAILED")
        house.fake.wait_for(f"{names[1]}-1")
    assert row.error["what"] == "answered 500"
    house.check_ended(names[0], "FAILED", "system")


def test_a_full_disk_holds_the_queue_up_and_fails_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True

    def write(path: object, text: str) -> None:
        if full:
            raise OSError(28, "No space left on device")
        whole(path, text)

    whole = queue.write_text
    monkeypatch.setattr(queue, "write_text", write)
    names = house.submit(2)
    with house.supervised() as supervisor:
        house.wait(lambda: house.row(names[0]).submitted, bool)
        supervisor.wake()
        house.wait(lambda: supervisor.health["seen"], bool)
        assert house.fake.submissions == []
        full = False
        house.fake.wait_for(f"{names[1]}-1")
    assert [submission.id for submission in house.fake.submissions] == [f"{name}-1" for name in names]
