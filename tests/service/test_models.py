"""Models that a job can start from: the operator's for all, a job's own for its owner."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from service.settings import Settings
from service.store.tables import jobs
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running
from tests.service.toy_jobs import away, finetune, put_model


@pytest.fixture
def waiting(settings: Settings, fake: FakeCluster) -> Iterator[Running]:
    with away(settings, fake) as gateway:
        yield gateway


def pretrained(gateway: Running, status: str = "SUCCEEDED") -> str:
    job = gateway.lab.post("/v1/jobs", json={"kind": "pretrain", "params": {"recipe": "smoke"}}).json()["id"]
    put_model(gateway.settings, guide=False, folder=gateway.settings.jobs / job / "export" / "model")
    with gateway.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job).values(status=status))
    return str(job)


def test_a_model_is_shown_with_its_card(waiting: Running) -> None:
    assert waiting.lab.get("/v1/models").json() == {"items": []}
    put_model(waiting.settings)
    (shown,) = waiting.lab.get("/v1/models").json()["items"]
    assert shown == waiting.lab.get("/v1/models/osd").json()
    assert (shown["id"], shown["source"], shown["has_guide"], shown["n_genes"]) == (
        "osd",
        "operator",
        True,
        3,
    )
    assert shown["has_gene_guide"]
    assert shown["card"]["licence"] == "CC0-1.0"


def test_a_new_card_is_seen_at_once(waiting: Running) -> None:
    put_model(waiting.settings)
    assert waiting.lab.get("/v1/models/osd").json()["name"] == "osd"
    (waiting.settings.models / "osd" / "card.json").write_text('{"name": "another"}')
    assert waiting.lab.get("/v1/models/osd").json()["name"] == "another"


def test_what_is_no_model_is_left_out_and_the_others_are_shown(waiting: Running) -> None:
    models = waiting.settings.models
    put_model(waiting.settings)
    for name, card in {
        "cut": '{"name": ',
        "list": "[]",
        "nan": '{"a": NaN}',
        "odd": '{"a": "\\ud800"}',
    }.items():
        (put_model(waiting.settings, name) / "card.json").write_text(card)
    put_model(waiting.settings, ".half")
    put_model(waiting.settings, "two words")
    put_model(waiting.settings, "job-" + "0" * 24)
    (put_model(waiting.settings, "genes") / "genes.txt").unlink()
    (models / "empty").mkdir()
    (models / "file").write_text("")
    assert [model["id"] for model in waiting.lab.get("/v1/models").json()["items"]] == ["osd"]
    for name in ("cut", "genes", "empty", "file", "job-" + "0" * 24):
        assert waiting.lab.get(f"/v1/models/{name}").status_code == 404, name


def test_what_a_job_made_is_its_owners_model_once_the_job_has_succeeded(waiting: Running) -> None:
    failed, job = pretrained(waiting, "FAILED"), pretrained(waiting)
    (own,) = waiting.lab.get("/v1/models").json()["items"]
    assert (own["id"], own["source"], own["has_guide"]) == (job, "job", False)
    assert waiting.lab.get(f"/v1/models/{failed}").status_code == 404
    started = waiting.lab.post("/v1/jobs", json=finetune(model=job))
    assert started.status_code == 202
    other = waiting.caller("other")
    assert other.get("/v1/models").json() == {"items": []}
    assert other.get(f"/v1/models/{job}").status_code == 404
