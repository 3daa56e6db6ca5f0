"""Jobs over HTTP: asked for, refused, listed, stopped, run again. The cluster is away: jobs wait."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select, update

from rnalearner.layout import RunLayout
from service.jobs.rows import submit
from service.schemas.jobs import FinetuneJob, JobCreate
from service.settings import Settings
from service.store.tables import job_datasets, job_sources, jobs
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running
from tests.service.toy_jobs import OTHER, THIRD, TRAIN, away, finetune, linear, put_dataset, put_model, report

NOBODY = "job-" + "0" * 24


@pytest.fixture
def waiting(settings: Settings, fake: FakeCluster) -> Iterator[Running]:
    """A gateway whose cluster does not answer, with one dataset."""
    with away(settings, fake) as gateway:
        yield gateway


@pytest.fixture
def on_sqlite(tmp_path: Path, sqlite_url: str, fake: FakeCluster) -> Iterator[Running]:
    """The same, for what asks nothing of the database that other tests do not ask of both."""
    with away(Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0), fake) as gateway:
        yield gateway


def set_job(gateway: Running, job: str, **values: Any) -> None:
    """As the supervisor would."""
    with gateway.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job).values(**values))


def test_a_job_is_stored_before_it_is_answered(waiting: Running) -> None:
    answer = waiting.lab.post("/v1/jobs", json=finetune(label="mice", settings={"epochs": 3}))
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert answer.headers["Retry-After"] == "1"
    assert (job["kind"], job["label"], job["status"], job["attempt"]) == ("finetune", "mice", "PENDING", 1)
    assert job["params"]["settings"]["epochs"] == 3
    assert waiting.lab.get(answer.headers["Location"]).json() == job
    with waiting.database.read() as connection:
        assert connection.execute(select(job_datasets.c.dataset)).scalars().all() == [TRAIN]
    events = waiting.lab.get(job["links"]["events"], params={"format": "json"}).json()
    assert [(event["seq"], event["kind"]) for event in events["items"]] == [(1, "queued")]


def test_every_reference_to_another_result_is_kept(waiting: Running) -> None:
    before = waiting.lab.post("/v1/jobs", json={"kind": "pretrain", "params": {"recipe": "smoke"}}).json()[
        "id"
    ]
    set_job(waiting, before, status="SUCCEEDED")
    put_model(waiting.settings, folder=waiting.settings.jobs / before / "export" / "model")
    answer = waiting.lab.post("/v1/jobs", json=finetune(model=before))
    assert answer.status_code == 202
    with waiting.database.read() as connection:
        assert connection.execute(select(job_sources)).all() == [(answer.json()["id"], before)]


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown kind": ({"kind": "paint", "params": {}}, 422, "kind"),
    "unknown field": ({**finetune(), "colour": "red"}, 422, "colour"),
    "unknown dataset": (finetune("f" * 64), 404, "dataset f+: does not exist"),
    "dataset of another owner": (finetune("e" * 64), 404, "dataset e+: does not exist"),
    "dataset still validating": (finetune(OTHER), 409, "is still being validated"),
    "rejected dataset": (finetune(THIRD), 422, "is REJECTED"),
    "unknown column": (finetune(column="flown"), 422, "no column 'flown'; choose among flight, animal"),
    "unknown group": (finetune(groups=["FLT", "XX"]), 422, "holds no 'XX'; choose among 'FLT', 'GC'"),
    "unknown model": (finetune(model="none-such"), 404, "model none-such: does not exist"),
    "arm without a model": (finetune(arms=["guided"]), 422, "needs a model"),
    "an arm for the linear model": (linear(arms=["none"]), 422, "arms"),
    "a gene guide without a model": (linear(settings={"guide": True}), 422, "needs a model"),
    "unknown tuning": (finetune(tuned_by=NOBODY), 404, f"job {NOBODY}: does not exist"),
    "unknown classifier": (
        {"kind": "predict", "params": {"classifier": NOBODY, "dataset": TRAIN}},
        404,
        f"job {NOBODY}: does not exist",
    ),
    "unknown recipe": ({"kind": "pretrain", "params": {"recipe": "paper"}}, 422, "choose among demo, smoke"),
}


def test_what_cannot_succeed_is_refused_before_it_is_accepted(waiting: Running) -> None:
    put_dataset(waiting.database, waiting.settings, OTHER, state="VALIDATING")
    put_dataset(waiting.database, waiting.settings, THIRD, state="REJECTED")
    put_dataset(waiting.database, waiting.settings, "e" * 64, owner="other")
    for case, (body, status, told) in REFUSED.items():
        answer = waiting.lab.post("/v1/jobs", json=body)
        assert answer.status_code == status, (case, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", case
        assert re.search(told, answer.json()["detail"]), (case, answer.text)
    assert waiting.lab.get("/v1/jobs").json()["items"] == []


def test_the_job_to_build_on_must_be_of_the_right_kind_and_have_succeeded(on_sqlite: Running) -> None:
    job = on_sqlite.lab.post("/v1/jobs", json=finetune()).json()["id"]
    body = {"kind": "predict", "params": {"classifier": job, "dataset": TRAIN}}
    early = on_sqlite.lab.post("/v1/jobs", json=body)
    assert early.status_code == 409
    assert early.headers["Retry-After"]
    assert "is PENDING; ask again when it has succeeded" in early.json()["detail"]
    set_job(on_sqlite, job, status="FAILED")
    assert "retry it" in on_sqlite.lab.post("/v1/jobs", json=body).json()["detail"]
    other_kind = on_sqlite.lab.post("/v1/jobs", json=finetune(tuned_by=job))
    assert (other_kind.status_code, "is a finetune job" in other_kind.text) == (422, True)


def test_a_linear_job_is_asked_for_new_samples_as_a_finetune_job_is(on_sqlite: Running) -> None:
    put_model(on_sqlite.settings)
    job = on_sqlite.lab.post("/v1/jobs", json=linear(label="mice", model="osd")).json()
    assert (job["kind"], job["label"], job["status"]) == ("linear", "mice", "PENDING")
    recipe = RunLayout(on_sqlite.settings.jobs / job["id"]).recipe
    recipe.parent.mkdir(parents=True)
    recipe.write_text(json.dumps({"finetune": {"arms": []}}))
    body = {"kind": "predict", "params": {"classifier": job["id"], "dataset": TRAIN}}
    assert on_sqlite.lab.post("/v1/jobs", json=body).status_code == 409
    set_job(on_sqlite, job["id"], status="SUCCEEDED")
    assert on_sqlite.lab.post("/v1/jobs", json=body).status_code == 202
    set_job(on_sqlite, job["id"], kind="explore")
    refused = on_sqlite.lab.post("/v1/jobs", json=body)
    assert (refused.status_code, "name a linear or finetune job" in refused.text) == (422, True)


def test_the_examples_of_the_documentation_are_bodies_that_are_understood(on_sqlite: Running) -> None:
    path = on_sqlite.http.get("/openapi.json").json()["paths"]["/v1/jobs"]["post"]
    examples = path["requestBody"]["content"]["application/json"]["examples"]
    assert next(iter(examples)) == "linear"
    assert "the default answer" in path["description"]
    for example in examples.values():
        TypeAdapter(JobCreate).validate_python(example["value"])


def test_pretraining_takes_a_key_that_may(on_sqlite: Running) -> None:
    body = {"kind": "pretrain", "params": {"recipe": "smoke"}}
    refused = on_sqlite.caller("lab", "read", "write").post("/v1/jobs", json=body)
    assert (refused.status_code, "scope train" in refused.text) == (403, True)
    assert on_sqlite.caller("lab", "read", "write", "train").post("/v1/jobs", json=body).status_code == 202


def test_a_full_queue_says_how_full_and_never_overflows(settings: Settings, fake: FakeCluster) -> None:
    with away(settings.model_copy(update={"max_queued": 5}), fake) as gateway:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: gateway.lab.post("/v1/jobs", json=finetune()), range(12)))
        assert sorted(answer.status_code for answer in answers) == [202] * 5 + [429] * 7
        full = next(answer for answer in answers if answer.status_code == 429)
        assert "holds 5 of your jobs, and may hold 5" in full.json()["detail"]
        assert full.headers["Retry-After"]
        other = gateway.caller("other")
        assert (
            other.post("/v1/jobs", json={"kind": "pretrain", "params": {"recipe": "demo"}}).status_code == 202
        )


def test_pages_hold_every_job_once_newest_first(waiting: Running) -> None:
    ids = [waiting.lab.post("/v1/jobs", json=finetune(label=f"l{n % 2}")).json()["id"] for n in range(7)]
    seen: list[str] = []
    path: str | None = "/v1/jobs?limit=3"
    while path is not None:
        answer = waiting.lab.get(path)
        seen += [job["id"] for job in answer.json()["items"]]
        link = answer.headers.get("Link", "")
        path = link[1 : link.index(">")] if link else None
        assert (path is None) == (answer.json()["next"] is None)
        if len(seen) == 3:  # what is new does not move the pages
            waiting.lab.post("/v1/jobs", json=finetune())
    assert seen == ids[::-1]
    chosen = waiting.lab.get("/v1/jobs", params={"label": "l1", "status": "PENDING", "kind": "finetune"})
    assert [job["id"] for job in chosen.json()["items"]] == ids[5::-2]
    assert waiting.lab.get("/v1/jobs", params={"status": "RUNNING"}).json() == {"items": [], "next": None}


def test_a_cursor_of_ones_own_making_is_refused(on_sqlite: Running) -> None:
    for cursor in ("0", "-1", "x", "9" * 30, ""):
        assert on_sqlite.lab.get("/v1/jobs", params={"cursor": cursor}).status_code == 422, cursor


def test_the_status_is_sent_again_only_when_it_has_changed(on_sqlite: Running) -> None:
    path = on_sqlite.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    etag = on_sqlite.lab.get(path).headers["ETag"]
    for held in (etag, f'"other", W/{etag}', "*"):
        same = on_sqlite.lab.get(path, headers={"If-None-Match": held})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    set_job(
        on_sqlite, path.rpartition("/")[2], status="RUNNING", progress={"label": "l", "done": 1, "total": 2}
    )
    changed = on_sqlite.lab.get(path, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["progress"]["done"]) == (200, 1)


def test_a_waiting_job_knows_how_many_wait_before_it(waiting: Running) -> None:
    first, second, third = (
        waiting.lab.post("/v1/jobs", json=finetune()).headers["Location"] for _ in range(3)
    )
    set_job(waiting, second.rpartition("/")[2], status="RUNNING", submitted=1.0)

    def places() -> list[int | None]:
        return [waiting.lab.get(path).json()["queue_position"] for path in (first, second, third)]

    for _ in range(50):
        if places() == [0, None, 1]:
            break
    assert places() == [0, None, 1]


def test_whose_job_it_is_not_learns_nothing_of_it(waiting: Running) -> None:
    job = waiting.lab.post("/v1/jobs", json=finetune()).json()["id"]
    other = waiting.caller("other")
    for method, path in (
        ("GET", ""), ("GET", "/events"), ("GET", "/logs"), ("GET", "/results"), ("GET", "/results/a.csv"),
        ("GET", "/metrics"), ("POST", ":cancel"), ("POST", ":retry"),
    ):  # fmt: skip
        theirs = other.request(method, f"/v1/jobs/{job}{path}")
        nobodys = other.request(method, f"/v1/jobs/{NOBODY}{path}")
        assert theirs.status_code == nobodys.status_code == 404, path
        assert theirs.text.replace(job, NOBODY) == nobodys.text
    assert other.get("/v1/jobs").json()["items"] == []


def test_a_waiting_job_stops_at_once_and_stopping_it_twice_is_no_fault(waiting: Running) -> None:
    path = waiting.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    for _ in range(2):
        answer = waiting.lab.post(f"{path}:cancel")
        assert (answer.status_code, answer.json()["status"], answer.json()["cancel"]) == (
            202,
            "STOPPED",
            True,
        )
        assert answer.headers["Location"] == path
    events = waiting.lab.get(f"{path}/events?format=json").json()
    assert [event["kind"] for event in events["items"]] == ["queued", "cancel", "ended"]
    assert events["items"][-1]["data"] == {"status": "STOPPED", "cause": None, "error": None}
    assert events["ended"]


def test_a_job_that_the_cluster_has_is_only_marked(waiting: Running) -> None:
    path = waiting.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    set_job(waiting, path.rpartition("/")[2], status="RUNNING", submitted=1.0)
    for _ in range(2):
        answer = waiting.lab.post(f"{path}:cancel").json()
        assert (answer["status"], answer["cancel"]) == ("RUNNING", True)
    kinds = [event["kind"] for event in waiting.lab.get(f"{path}/events?format=json").json()["items"]]
    assert kinds == ["queued", "cancel"]


def test_a_job_that_is_over_is_not_stopped_any_more(on_sqlite: Running) -> None:
    path = on_sqlite.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    set_job(on_sqlite, path.rpartition("/")[2], status="SUCCEEDED")
    answer = on_sqlite.lab.post(f"{path}:cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["cancel"]) == (202, "SUCCEEDED", False)


def test_a_failed_job_runs_again_as_its_next_attempt(waiting: Running) -> None:
    path = waiting.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    error = {"where": "a", "what": "b", "remedy": "c"}
    times = {"submitted": 1.0, "started": 2.0, "ended": 3.0}
    seen = {"beat": 7, "events_offset": 9}
    set_job(waiting, path.rpartition("/")[2], status="FAILED", cause="user", error=error, **times, **seen)
    job = waiting.lab.post(f"{path}:retry")
    assert job.status_code == 202
    assert (job.json()["status"], job.json()["attempt"], job.json()["error"]) == ("PENDING", 2, None)
    assert (job.json()["started"], job.json()["ended"], job.json()["queue_position"]) == (None, None, 0)
    with waiting.database.read() as connection:
        row = connection.execute(select(jobs)).one()
    assert (row.submitted, row.beat, row.events_offset) == (None, None, 0)


def test_only_what_failed_or_was_stopped_runs_again(on_sqlite: Running) -> None:
    path = on_sqlite.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    for status in ("PENDING", "RUNNING", "SUCCEEDED"):
        set_job(on_sqlite, path.rpartition("/")[2], status=status)
        answer = on_sqlite.lab.post(f"{path}:retry")
        assert (answer.status_code, f"is {status}" in answer.text) == (409, True)


def test_a_job_whose_model_is_gone_does_not_run_again(on_sqlite: Running) -> None:
    put_model(on_sqlite.settings)
    path = on_sqlite.lab.post("/v1/jobs", json=finetune(model="osd")).headers["Location"]
    on_sqlite.lab.post(f"{path}:cancel")
    (on_sqlite.settings.models / "osd" / "card.json").unlink()
    assert on_sqlite.lab.post(f"{path}:retry").status_code == 404


def test_a_job_whose_dataset_was_deleted_is_nobodys_to_see(on_sqlite: Running) -> None:
    path = on_sqlite.lab.post("/v1/jobs", json=finetune()).headers["Location"]
    set_job(on_sqlite, path.rpartition("/")[2], deleted=True, status="RUNNING")
    assert on_sqlite.lab.get(path).status_code == 404
    assert on_sqlite.lab.get("/v1/jobs").json()["items"] == []


def test_jobs_that_arrive_together_get_numbers_in_their_order(waiting: Running) -> None:
    wanted = FinetuneJob.model_validate(finetune())

    def post(_: int) -> int:
        with waiting.database.write() as connection:
            return int(submit(connection, waiting.settings, "lab", wanted, 0.0)["number"])

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(post, range(20))) == list(range(1, 21))


def test_a_dataset_that_lacks_the_models_genes_is_refused(on_sqlite: Running) -> None:
    put_model(on_sqlite.settings)
    put_dataset(on_sqlite.database, on_sqlite.settings, OTHER, found=report(models={"osd": 0.31}))
    answer = on_sqlite.lab.post("/v1/jobs", json=finetune(OTHER, model="osd"))
    assert (answer.status_code, "measures 31% of the genes of model osd" in answer.text) == (422, True)
