"""Upload, labels, list and removal of datasets, over HTTP and on both databases."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from service.settings import Settings
from service.store.database import now
from service.store.tables import job_datasets, job_sources, jobs
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Caller, Live, Running, running
from tests.service.toy_tables import SHEET, sha256, table, wait_until, when_validated


@pytest.fixture
def quick(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    """On SQLite, for what the kind of database does not touch."""
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0, max_upload_mb=1)
    with running(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        yield gateway


def left_over(settings: Settings) -> list[str]:
    """Files below the uploads that are neither a dataset's own nor the validator's."""
    files = [*settings.uploads.glob("*/.incoming-*/*"), *settings.uploads.glob("*/.removed-*")]
    return [path.name for path in files if path.name not in ("errors.txt", "report.json")]


def is_problem(answer: httpx.Response, status: int, *parts: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    for part in parts:
        assert part in problem["detail"]
    return problem


def test_an_uploaded_table_is_validated_labelled_and_listed(gateway: Running) -> None:
    lab, body = gateway.lab, table()
    path = f"/v1/datasets/{sha256(body)}"
    stored = lab.put(path, content=body, params={"name": "Röntgen α"})
    assert (stored.status_code, stored.headers["location"]) == (201, path)
    assert (stored.json()["name"], stored.json()["bytes"]) == ("Röntgen α", len(body))
    shown = when_validated(lab, path)
    assert (shown["state"], shown["problem"], shown["report"]["label_column"]) == ("READY", None, None)

    etag = lab.get(path).headers["etag"]
    assert lab.get(path, headers={"If-None-Match": f'"x", W/{etag}'}).status_code == 304
    labelled = lab.put(f"{path}/labels", content=SHEET)
    assert (labelled.status_code, labelled.json()["state"]) == (200, "VALIDATING")
    assert lab.get(path, headers={"If-None-Match": etag}).status_code == 200
    shown = when_validated(lab, path)
    assert shown["labels_sha256"] == sha256(SHEET)
    assert shown["report"]["columns"][0]["values"] == {"a": 2, "b": 2, "c": 2}
    assert shown["report"]["label_column"] == "label"
    # The same sheet again is no news.
    assert lab.put(f"{path}/labels", content=SHEET).json()["state"] == "READY"

    again = lab.put(path, content=body, params={"name": "other"})
    assert (again.status_code, again.json()["name"]) == (200, "Röntgen α")
    assert again.headers["etag"] == lab.get(path).headers["etag"]
    assert [item["id"] for item in lab.get("/v1/datasets").json()["items"]] == [sha256(body)]
    assert left_over(gateway.settings) == []


def test_owners_know_nothing_of_each_other(gateway: Running) -> None:
    lab, other, body = gateway.lab, gateway.caller("other"), table()
    path = f"/v1/datasets/{sha256(body)}"
    lab.put(path, content=body)
    missing = "/v1/datasets/" + "0" * 64
    for method, tail, content in (("GET", "", None), ("DELETE", "", None), ("PUT", "/labels", SHEET)):
        foreign = other.request(method, path + tail, content=content)
        absent = other.request(method, missing + tail, content=content)
        assert foreign.status_code == absent.status_code == 404
        assert foreign.text.replace(sha256(body), "0" * 64) == absent.text
    assert other.get("/v1/datasets").json() == {"items": [], "next": None}
    # It is new to this owner, and must be sent whole.
    is_problem(other.put(path, content=b"not these bytes"), 422, "has the sha256")
    assert other.put(path, content=body).status_code == 201
    assert other.delete(path).status_code == 204
    assert lab.get(path).status_code == 200
    assert when_validated(lab, path)["state"] == "READY"


def test_a_list_goes_on_by_cursor_newest_first(quick: Running) -> None:
    bodies = [f"not a table {number}".encode() for number in range(5)]
    for body in bodies:
        quick.lab.put(f"/v1/datasets/{sha256(body)}", content=body)
    seen, path = [], "/v1/datasets?limit=2"
    while path:
        answer = quick.lab.get(path)
        seen += [item["id"] for item in answer.json()["items"]]
        path = answer.headers.get("link", "").removeprefix("<").partition(">")[0]
        assert (answer.json()["next"] is None) == (path == "")
    assert seen == [sha256(body) for body in reversed(bodies)]
    wait_until(lambda: len(quick.lab.get("/v1/datasets?state=REJECTED").json()["items"]) >= 1)
    for query in ("limit=201", "limit=0", "cursor=x", "cursor=99999999999999999999", "state=NO"):
        is_problem(quick.lab.get(f"/v1/datasets?{query}"), 422)


def test_what_cannot_be_kept_is_refused_and_leaves_nothing(quick: Running) -> None:
    body = table()
    path, lab = f"/v1/datasets/{sha256(body)}", quick.lab
    digest = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    is_problem(lab.put(path, content=body[:-1]), 422, "sha256")
    for wrong in (f"sha-256=:{digest}:", "sha-256=:???:", "md5=:AA==:, sha-256=::"):
        is_problem(lab.put(path, content=body, headers={"Content-Digest": wrong}), 422, "Content-Digest")
    empty = hashlib.sha256(b"").hexdigest()
    is_problem(lab.put(f"/v1/datasets/{empty}", content=b""), 422, "holds no byte")
    large = b"x" * (2**20 + 1)
    is_problem(lab.put(f"/v1/datasets/{sha256(large)}", content=large), 413, "larger than 1 MiB")
    chunks = iter([large[:1000], large[1000:]])
    is_problem(lab.put(f"/v1/datasets/{sha256(large)}", content=chunks), 413, "larger than 1 MiB")
    for name in ("a\nb", "\x1b[31m", "\u202ecsv", "n" * 256, ""):
        is_problem(lab.put(path, content=body, params={"name": name}), 422)
    for wrong in ("0" * 63, "G" * 64, sha256(body).upper(), "..%2F..%2Fetc"):
        assert lab.put(f"/v1/datasets/{wrong}", content=body).status_code in (404, 422)
    assert lab.get("/v1/datasets").json()["items"] == []
    assert left_over(quick.settings) == []
    reader = quick.caller("lab", "read")
    is_problem(reader.put(path, content=body), 403, "lacks the scope write")
    good = base64.b64encode(hashlib.sha256(body).digest()).decode()
    header = {"Content-Digest": f"sha-512=:AAAA:, sha-256=:{good}:"}
    assert lab.put(path, content=body, headers=header).status_code == 201
    is_problem(lab.put(f"{path}/labels", content=b""), 422, "holds no byte")
    is_problem(lab.put(f"{path}/labels", content=b"x" * (16 * 2**20 + 1)), 413, "larger than 16 MiB")


def test_an_upload_that_would_fill_the_disk_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=10**9)
    body = table()
    with running(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        path = f"/v1/datasets/{sha256(body)}"
        is_problem(gateway.lab.put(path, content=body), 507, "less than 1000000000 MiB free")
        is_problem(gateway.lab.post("/v1/datasets", files={"file": body}), 507)
        assert left_over(settings) == []


def test_a_browsers_form_carries_table_labels_and_name(quick: Running) -> None:
    lab, body = quick.lab, table()
    form = {"file": ("..\\..\\etc/my counts.csv", body), "labels": ("sheet.csv", SHEET)}
    stored = lab.post("/v1/datasets", files=form)
    assert (stored.status_code, stored.json()["name"]) == (201, "my counts.csv")
    assert stored.json()["labels_sha256"] == sha256(SHEET)
    path = stored.headers["location"]
    assert when_validated(lab, path)["report"]["label_column"] == "label"
    other = SHEET.replace(b"label", b"group")
    again = lab.post("/v1/datasets", files=form | {"labels": ("s", other)}, data={"name": "named"})
    assert (again.status_code, again.json()["name"]) == (200, "my counts.csv")
    assert (again.json()["labels_sha256"], again.json()["state"]) == (sha256(other), "VALIDATING")
    assert when_validated(lab, path)["report"]["label_column"] == "group"
    wait_until(lambda: not left_over(quick.settings))  # what the reader left goes after that


def test_garbage_for_a_form_is_the_callers_fault(quick: Running) -> None:
    lab, start = quick.lab, b'--b\r\nContent-Disposition: form-data; name="'
    whole = start + b'file"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    bodies = {
        b"": "ends too early",
        whole[:-6]: "ends too early",
        b"garbage": "cannot be read",
        whole.replace(b"file", b"feil"): "field `feil`",
        whole.replace(b'; filename="f"', b""): "field `file` of text",
        start + b'name"\r\n\r\nx\r\n--b--\r\n': "has no file in a field `file`",
        whole[:-4] + whole[3:]: "two fields `file`",
        b"--b\r\n\r\nx\r\n--b--\r\n": "field ``",
        start + b'name"\r\n\r\n' + b"x" * 5000 + b"\r\n--b--\r\n": "more than 4096 bytes",
        b"--b\r\n" + b"A" * 9000 + b": b\r\n": "cannot be read",
        start + b'name"\r\n\r\na\x1bb\r\n' + whole: "control characters",
    }
    for way in ("/v1/datasets", "/v1/datasets:validate"):
        for body, expected in bodies.items():
            kind = {"Content-Type": "multipart/form-data; boundary=b"}
            is_problem(lab.post(way, content=body, headers=kind), 422, expected)
        for kind in ("multipart/form-data", "multipart/form-data; boundary=" + "b" * 300):
            is_problem(lab.post(way, content=whole, headers={"Content-Type": kind}), 422)
        is_problem(lab.post(way, json={}), 415, "multipart/form-data")
        is_problem(lab.post(way, content=whole), 415)
        endless = {"file": ("f", b"x" * (2**20 + 1))}
        is_problem(lab.post(way, files=endless), 413, "larger than 1 MiB")
        is_problem(lab.post(way, files={"file": b"", "labels": b"x"}), 422, "holds no byte")
    assert lab.get("/v1/datasets").json()["items"] == []
    assert left_over(quick.settings) == []


def test_validate_says_the_same_and_keeps_nothing(quick: Running) -> None:
    files = {"file": ("t.csv", table()), "labels": SHEET}
    good = quick.lab.post("/v1/datasets:validate", files=files)
    assert (good.status_code, good.json()["n_samples"]) == (200, 6)
    assert good.json()["label_column"] == "label"
    bad = quick.lab.post("/v1/datasets:validate", files={"file": ("t.csv", b"a,b\n")}, data={"name": "mine"})
    assert (bad.status_code, bad.json()["type"]) == (422, "urn:rnalearner:unusable-table")
    assert bad.json()["errors"][0]["where"] == "mine"
    assert quick.lab.get("/v1/datasets").json()["items"] == []
    assert [path.name for path in quick.settings.uploads.rglob("*")] == [".lock", "lab"]


def test_what_is_seen_of_a_table_is_shown_with_it(gateway: Running) -> None:
    lab, body = gateway.lab, table()
    path = f"/v1/datasets/{sha256(body)}"
    is_problem(lab.get(f"{path}/look"), 404, "list your datasets")
    lab.put(path, content=body)
    when_validated(lab, path)
    seen = lab.get(f"{path}/look")
    assert (seen.status_code, seen.json()["samples"]) == (200, [f"S{number}" for number in range(1, 7)])
    assert (len(seen.json()["components"]), seen.json()["sheet"]["columns"]) == (6, [])
    held = {"If-None-Match": seen.headers["etag"]}
    assert lab.get(f"{path}/look", headers=held).status_code == 304
    lab.put(f"{path}/labels", content=SHEET)
    when_validated(lab, path)
    seen = lab.get(f"{path}/look", headers=held)
    assert (seen.status_code, seen.json()["sheet"]["cells"][1]) == (200, ["b", "m1"])
    foreign = gateway.caller("other").get(f"{path}/look")
    absent = gateway.caller("other").get(f"/v1/datasets/{'0' * 64}/look")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.text.replace(sha256(body), "0" * 64) == absent.text


def test_a_table_that_waits_has_no_look_yet_and_a_rejected_one_has_none(gateway: Running) -> None:
    lab, body = gateway.lab, b"no table at all"
    path = f"/v1/datasets/{sha256(body)}"
    with gateway.app.state.gateway.validator._one_child:  # no other is started meanwhile
        lab.put(path, content=body)
        is_problem(lab.get(f"{path}/look"), 409, "is still being validated")
    when_validated(lab, path)
    told = is_problem(lab.get(f"{path}/look"), 404, "its table could not be read")
    assert told["type"] == "urn:rnalearner:no-such-look"


def test_a_sheet_is_mended_beside_the_table_that_it_could_not_hide(gateway: Running) -> None:
    lab, body = gateway.lab, table()
    path = f"/v1/datasets/{sha256(body)}"
    lab.put(path, content=body)
    when_validated(lab, path)
    lab.put(f"{path}/labels", content=SHEET.replace(b"\nS", b"\nmouse"))
    shown = when_validated(lab, path)
    assert (shown["state"], shown["report"]["n_samples"]) == ("REJECTED", 6)
    assert "none of the samples" in shown["problem"]["what"]
    assert lab.get(f"{path}/look").json()["samples"][0] == "S1"
    asked = lab.post("/v1/jobs", json={"kind": "explore", "params": {"datasets": [sha256(body)]}})
    is_problem(asked, 422, "is REJECTED")
    lab.put(f"{path}/labels", content=SHEET)
    shown = when_validated(lab, path)
    assert (shown["state"], shown["problem"]) == ("READY", None)
    files = {"file": ("t.csv", body), "labels": SHEET.replace(b"\nS", b"\nmouse")}
    is_problem(lab.post("/v1/datasets:validate", files=files), 422, "none of the samples")


# Removal.


def add_job(gateway: Running, name: str, status: str, sources: list[str], owner: str = "lab") -> str:
    """A job of the database and a folder for it; sources: datasets (64 letters) and jobs."""
    job = f"job-{name * 24}"
    with gateway.database.write() as connection:
        number = int(name, 16) + 1000
        claimed = now() if status == "RUNNING" else None
        row = {"number": number, "id": job, "owner": owner, "kind": "explore", "params": {}, "created": now()}
        connection.execute(insert(jobs).values(**row, status=status, submitted=claimed))
        for source in sources:
            if source.startswith("job-"):
                connection.execute(insert(job_sources).values(job=job, source=source))
            else:
                connection.execute(insert(job_datasets).values(job=job, owner=owner, dataset=source))
    folder = gateway.settings.jobs / job
    folder.mkdir(parents=True)
    (folder / "result").write_text("x")
    return job


def there(gateway: Running, *names: str) -> list[bool]:
    """Whether each job is there for its owner."""
    return [gateway.lab.get(f"/v1/jobs/{name}").status_code == 200 for name in names]


def test_removal_takes_along_all_that_derives_and_nothing_else(gateway: Running) -> None:
    lab, body = gateway.lab, table()
    path, dataset = f"/v1/datasets/{sha256(body)}", sha256(body)
    lab.put(path, content=body)
    gateway.caller("other").put(path, content=body)
    learned = add_job(gateway, "a", "SUCCEEDED", [dataset])
    predicted = add_job(gateway, "b", "FAILED", ["1" * 64, learned])
    again = add_job(gateway, "c", "SUCCEEDED", [predicted])
    beside = add_job(gateway, "d", "SUCCEEDED", ["1" * 64])
    foreign = add_job(gateway, "e", "SUCCEEDED", [dataset], owner="other")
    folder = gateway.settings.uploads / "lab" / dataset
    assert folder.exists()

    answer = lab.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    is_problem(lab.delete(path), 404)
    is_problem(lab.get(path), 404)
    assert there(gateway, learned, predicted, again, beside) == [False, False, False, True]
    assert not folder.exists()
    kept = {path.name for path in gateway.settings.jobs.iterdir()}
    assert kept == {beside, foreign}
    assert (gateway.settings.uploads / "other" / dataset / "table.txt").read_bytes() == body
    # Uploaded again it is new.
    assert lab.put(path, content=body).status_code == 201


def test_removal_stops_what_runs_and_takes_it_along_once_it_ended(gateway: Running) -> None:
    lab, body = gateway.lab, table()
    dataset = sha256(body)
    lab.put(f"/v1/datasets/{dataset}", content=body)
    when_validated(lab, f"/v1/datasets/{dataset}")
    runs, waits = (
        lab.post("/v1/jobs", json={"kind": "explore", "params": {"datasets": [dataset]}}).json()["id"]
        for _ in range(2)
    )
    submission = f"{runs}-1"
    gateway.fake.wait_for(submission)
    gateway.fake.begin(submission)
    assert lab.delete(f"/v1/datasets/{dataset}").status_code == 204
    assert there(gateway, runs, waits) == [False, False]
    wait_until(lambda: submission in gateway.fake.stopped)
    gateway.fake.finish(submission, "STOPPED")
    wait_until(lambda: not any(gateway.settings.jobs.glob("job-*")))
    assert [made.id for made in gateway.fake.submissions] == [submission]


# A gateway of its own, over real HTTP.


def test_early_answers_reach_a_client_that_is_still_sending(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0, max_upload_mb=8)
    live = Live(settings, FakeCluster(tmp_path / "cluster"))
    try:
        lab = live.start()
        large = b"x" * (8 * 2**20 + 1)
        path = f"/v1/datasets/{sha256(large)}"
        is_problem(lab.put(path, content=large), 413)
        is_problem(lab.put(path, content=(large[at : at + 65536] for at in range(0, len(large), 65536))), 413)
        kept = large[:-1]
        path = f"/v1/datasets/{sha256(kept)}"
        assert lab.put(path, content=kept).status_code == 201
        assert lab.put(path, content=kept).status_code == 200
        assert lab.get(path).status_code == 200
        cut_short(lab, large)
        wait_until(lambda: not left_over(settings))
    finally:
        live.stop()


def cut_short(lab: Caller, body: bytes) -> None:
    """Begin an upload and go away."""

    def some() -> Iterator[bytes]:
        yield body[: 2**21]
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        lab.put(f"/v1/datasets/{sha256(body)}", content=some())


def test_an_upload_cut_by_a_crash_before_its_row_is_gone(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0)
    live, body = Live(settings, FakeCluster(tmp_path / "cluster")), table()
    path = f"/v1/datasets/{sha256(body)}"
    try:
        with pytest.raises(httpx.TransportError):
            live.start(crash_at="upload.stored").put(path, content=body)
        assert live.died()
        assert (settings.uploads / "lab" / sha256(body)).exists()
        lab = live.start()
        assert left_over(settings) == []
        assert not (settings.uploads / "lab" / sha256(body)).exists()
        assert lab.put(path, content=body).status_code == 201
    finally:
        live.stop()


def test_a_removal_cut_by_a_crash_is_finished_at_the_next_start(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0)
    live, body = Live(settings, FakeCluster(tmp_path / "cluster")), table()
    path = f"/v1/datasets/{sha256(body)}"
    try:
        lab = live.start(crash_at="delete.committed")
        lab.put(path, content=body)
        with pytest.raises(httpx.TransportError):
            lab.delete(path)
        assert live.died()
        assert (settings.uploads / "lab" / sha256(body) / "table.txt").exists()
        assert live.start().delete(path).status_code == 404
        assert not (settings.uploads / "lab" / sha256(body)).exists()
    finally:
        live.stop()


def test_the_description_names_every_answer(quick: Running) -> None:
    paths = quick.http.get("/openapi.json").json()["paths"]
    put = paths["/v1/datasets/{dataset_id}"]["put"]
    assert {"200", "201", "401", "403", "413", "422", "507"} <= set(put["responses"])
    assert "application/octet-stream" in put["requestBody"]["content"]
    form = paths["/v1/datasets:validate"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["required"] == ["file"]
    json.dumps(paths)
