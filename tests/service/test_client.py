"""The client of the command line against a real gateway: its errors, retries, streams and downloads."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.remote.find import find_dataset, find_job
from jobs.remote.job import _fetch
from jobs.remote.params import parse_params, with_ids
from rnalearner.errors import AccessError, GatewayError, InputError
from service.client import GatewayClient, job_path
from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Live, Running, running
from tests.service.toy_jobs import OTHER, TRAIN, put_dataset
from tests.service.toy_tables import SHEET, sha256, table, wait_until

PRETRAIN = {"kind": "pretrain", "params": {"recipe": "demo"}}
UNKNOWN = "job-" + "0" * 24


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Once is enough: nothing here asks the database itself."""
    return sqlite_url


@pytest.fixture
def client(gateway: Running) -> Iterator[GatewayClient]:
    with connected(gateway) as client:
        yield client


def connected(gateway: Running, **options: Any) -> GatewayClient:
    return GatewayClient(str(gateway.http.base_url), gateway.lab.key, **options)


def done(gateway: Running, client: GatewayClient, files: dict[str, bytes] | None = None) -> str:
    """A job that has succeeded, and made these files."""
    job = str(client.post("/v1/jobs", PRETRAIN)["id"])
    gateway.fake.begin(gateway.fake.wait_for(f"{job}-1").id)
    gateway.fake.finish(f"{job}-1", files=files)
    assert [event["kind"] for event in client.events(job)][-1] == "ended"
    return job


class Cut(httpx.BaseTransport):
    """A line that breaks when an answer comes, so many times; it notes what it carried."""

    def __init__(self, breaks: int) -> None:
        self.breaks, self.carried = breaks, list[httpx.Request]()
        self.line = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.line.handle_request(request)
        self.carried.append(request)
        if len(self.carried) <= self.breaks:
            answer.close()
            raise httpx.ReadError("cut")
        return answer

    def close(self) -> None:
        self.line.close()


# Uploads


def test_what_is_there_already_is_not_sent_again(client: GatewayClient, tmp_path: Path) -> None:
    path, sent = tmp_path / "counts.csv", []
    path.write_bytes(table())

    def on_bytes(done: int, size: int) -> None:
        sent.append((done, size))

    first = client.upload(path, "mine", on_bytes)
    size = len(table())
    assert (first["id"], first["name"], sent) == (sha256(table()), "mine", [(size, size)])
    again = client.upload(path, "another", on_bytes)
    assert (again["id"], again["name"], len(sent)) == (first["id"], "mine", 1)


def test_an_upload_over_a_breaking_line_is_sent_whole_again(gateway: Running, tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_bytes(table())
    with connected(gateway, transport=Cut(breaks=2)) as client:
        assert client.upload(path, "mine", lambda *_: None)["id"] == sha256(table())


def test_a_table_that_is_too_large_is_refused_in_the_gateways_words(
    settings: Settings, fake: FakeCluster, tmp_path: Path
) -> None:
    path = tmp_path / "counts.csv"
    path.write_bytes(bytes(8 << 20))
    small = settings.model_copy(update={"max_upload_mb": 1})
    refused = pytest.raises(InputError, match="larger than 1 MiB")
    with running(small, fake) as gateway, connected(gateway) as client, refused:
        client.upload(path, "mine", lambda *_: None)


def test_labels_and_validation_go_with_their_files(client: GatewayClient, tmp_path: Path) -> None:
    path, sheet = tmp_path / "counts.csv", tmp_path / "labels.csv"
    path.write_bytes(table())
    sheet.write_bytes(SHEET)
    answer = client.validate(path, sheet)
    assert answer["label_column"] == "label"
    dataset = client.upload(path, "mine", lambda *_: None)
    assert client.put_labels(dataset["id"], sheet)["labels_sha256"] == sha256(SHEET)


# Errors


def test_a_wrong_key_is_an_access_error(gateway: Running) -> None:
    with GatewayClient(str(gateway.http.base_url), "rnal_wrong") as client:
        with pytest.raises(AccessError, match="API key: is unknown, expired or revoked; send"):
            client.get("/v1/me")
        with pytest.raises(AccessError):
            list(client.events(UNKNOWN))
        with pytest.raises(AccessError):
            client.download(f"/v1/jobs/{UNKNOWN}/results/x", Path("/nowhere/x"), "0" * 64)


def test_a_key_that_may_not_is_an_access_error(gateway: Running) -> None:
    reader = gateway.caller("lab", "read").key
    refused = pytest.raises(AccessError, match="lacks the scope write")
    with GatewayClient(str(gateway.http.base_url), reader) as client, refused:
        client.post("/v1/jobs", PRETRAIN)


def test_what_does_not_exist_is_said_in_the_gateways_words(client: GatewayClient) -> None:
    for ask in (client.get, client.post):
        with pytest.raises(InputError) as caught:
            ask(job_path(UNKNOWN) + (":cancel" if ask == client.post else ""))
        assert str(caught.value) == f"job {UNKNOWN}: does not exist; list your jobs."
    with pytest.raises(InputError, match="does not exist"):
        next(client.events(UNKNOWN))


def test_each_fault_of_a_request_has_its_place(client: GatewayClient) -> None:
    with pytest.raises(InputError) as caught:
        client.post("/v1/jobs", {"kind": "pretrain", "params": {"recipe": "demo", "max_steps": 0}})
    assert "max_steps" in caught.value.where


def test_a_gateway_that_is_away_is_given_up_after_a_while(gateway: Running) -> None:
    with GatewayClient("http://127.0.0.1:9", gateway.lab.key, away_s=0.6) as client:
        asks: list[Callable[[], Any]] = [lambda: client.get("/v1/me"), lambda: list(client.events(UNKNOWN))]
        for ask in asks:
            begun = time.monotonic()
            with pytest.raises(GatewayError, match=r"does not answer.*rnalearner serve"):
                ask()
            assert time.monotonic() - begun >= 0.6


@pytest.mark.parametrize("server", ["localhost:8440", "ftp://host", "http://", "http://host:port", ""])
def test_what_is_no_address_is_refused_at_once(server: str) -> None:
    with pytest.raises(InputError, match="is no address of a gateway"):
        GatewayClient(server, "key")


class _Stranger(BaseHTTPRequestHandler):
    """Somebody else's server: everything is a page."""

    def do_GET(self) -> None:
        self.send_response(500 if "broken" in self.path else 200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>Welcome</h1>")

    def log_message(self, *_: Any) -> None:
        pass


def test_a_server_that_is_no_gateway_is_told_by_its_answers(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with GatewayClient(f"http://127.0.0.1:{server.server_port}", "key", away_s=0) as client:
                with pytest.raises(GatewayError, match="with no JSON"):
                    client.get("/v1/me")
                with pytest.raises(GatewayError, match="answered 500"):
                    client.get("/broken")
                with pytest.raises(GatewayError):
                    list(client.events(UNKNOWN))
        finally:
            server.shutdown()
            thread.join()


# Requests that are repeated


def test_a_post_over_a_breaking_line_makes_one_job(gateway: Running) -> None:
    line = Cut(breaks=3)
    with connected(gateway, transport=line) as client:
        job = client.post("/v1/jobs", PRETRAIN)
        keys = {request.headers["Idempotency-Key"] for request in line.carried}
        assert (len(line.carried), len(keys)) == (4, 1)
        assert [item["id"] for item in client.pages("/v1/jobs")] == [job["id"]]
        assert client.post("/v1/jobs", PRETRAIN)["id"] != job["id"], "another wish, another key"


def test_pages_follow_one_another(gateway: Running, client: GatewayClient) -> None:
    made = [client.post("/v1/jobs", PRETRAIN | {"label": str(n % 2)})["id"] for n in range(7)]
    assert [job["id"] for job in client.pages("/v1/jobs")] == made[::-1]
    assert [job["id"] for job in client.pages("/v1/jobs", 3)] == made[:-4:-1]
    assert [job["id"] for job in client.pages("/v1/jobs", label="1")] == made[5::-2]


# Events


def test_events_go_on_over_a_gateway_that_died(live_gateway: Live) -> None:
    caller = live_gateway.start()
    port = str(caller.http.base_url.port)
    fake = live_gateway.fake
    with GatewayClient(str(caller.http.base_url), caller.key) as client:
        job = str(client.post("/v1/jobs", PRETRAIN)["id"])
        fake.begin(fake.wait_for(f"{job}-1").id)

        def live_on() -> None:
            for number in range(3):
                for done_ in range(30):
                    data = {"label": "fit", "done": 30 * number + done_, "total": 90, "note": ""}
                    fake.say(f"{job}-1", "progress", data)
                    time.sleep(0.01)
                live_gateway.kill()
                live_gateway.start(RNALEARNER_PORT=port)
            fake.finish(f"{job}-1")

        life = threading.Thread(target=live_on)
        life.start()
        seen = list(client.events(job))
        life.join()
        assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
        progress = [event["data"]["done"] for event in seen if event["kind"] == "progress"]
        assert progress == list(range(90))
        assert [event["kind"] for event in seen].count("ended") == 1
        assert list(client.events(job, after=len(seen) - 2)) == seen[-2:]


def test_a_stream_that_a_proxy_closed_goes_on_until_all_is_told(gateway: Running) -> None:
    """It closed in peace, and the job is over: hundreds of events are still to be told."""

    class Impatient(Cut):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/events") and "format" not in request.url.params:
                return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=b"")
            return super().handle_request(request)

    with connected(gateway, transport=Impatient(breaks=0)) as client:
        job = str(client.post("/v1/jobs", PRETRAIN)["id"])
        gateway.fake.begin(gateway.fake.wait_for(f"{job}-1").id)
        for number in range(250):
            data = {"label": "fit", "done": number, "total": 250, "note": ""}
            gateway.fake.say(f"{job}-1", "progress", data)
        gateway.fake.finish(f"{job}-1")
        wait_until(lambda: client.get(job_path(job))["status"] == "SUCCEEDED")
        with connected(gateway) as patient:
            for reader in (client, patient):
                assert [event["seq"] for event in reader.events(job)] == list(range(1, 255))


# Downloads


def test_results_are_fetched_whole_into_their_folders(
    gateway: Running, client: GatewayClient, tmp_path: Path
) -> None:
    files = {"report/page.html": b"<h1>", "export/model/card.json": b"{}\n", "x y#?&%.csv": b"1,2\n"}
    made = client.get(job_path(done(gateway, client, files), "results"))
    _fetch(client, made, tmp_path / "out")
    found = {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == files


def test_other_bytes_than_promised_leave_nothing(
    gateway: Running, client: GatewayClient, tmp_path: Path
) -> None:
    made = client.get(job_path(done(gateway, client), "results"))
    (file,) = made["files"]
    with pytest.raises(GatewayError, match="other bytes"):
        client.download(file["link"], tmp_path / "x", hashlib.sha256(b"other").hexdigest())
    assert list(tmp_path.glob("x*")) == list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/tmp/x", ".", "link/x"])
def test_nothing_is_written_outside_the_folder(
    gateway: Running, client: GatewayClient, tmp_path: Path, path: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "link").symlink_to(tmp_path)
    made = client.get(job_path(done(gateway, client), "results"))
    hostile = {**made, "files": [{**made["files"][0], "path": path}]}
    with pytest.raises(GatewayError, match="would be written outside"):
        _fetch(client, hostile, out)
    assert not (tmp_path / "x").exists()


def test_the_key_goes_to_no_other_server(client: GatewayClient, tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="is a link to elsewhere"):
        client.download("http://127.0.0.1:9/x", tmp_path / "x", "0" * 64)


# Words of the command line


def test_params_are_read_by_the_schema_of_their_kind() -> None:
    words = "--train=osd105 --groups FLT,GC --arms none,guided --allow-leak true --settings.epochs 20 "
    words += "--settings.learning-rate 1e-3 --settings.head conv --column 12"
    assert parse_params("finetune", words.split()) == {
        "train": "osd105",
        "groups": ["FLT", "GC"],
        "arms": ["none", "guided"],
        "allow_leak": True,
        "settings": {"epochs": 20, "learning_rate": 0.001, "head": "conv"},
        "column": "12",
    }
    assert parse_params("explore", ["--datasets", "one,two", "--k", "3"]) == {
        "datasets": ["one", "two"],
        "k": 3,
    }
    assert parse_params("predict", ["--formats=csv", "--min-confidence", "0.9"]) == {
        "formats": ["csv"],
        "min_confidence": 0.9,
    }


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("dream", [], "dream: is no kind of job; choose among linear, finetune"),
        ("finetune", ["--colour", "red"], "--colour: is no parameter of finetune; give some of --train"),
        ("finetune", ["--settings.colour", "red"], "--settings.colour: is no parameter"),
        ("finetune", ["--train.x", "red"], "--train.x: is no parameter"),
        ("finetune", ["--", "x"], "--: is no parameter"),
        ("finetune", ["osd105"], "osd105: is no parameter"),
        ("finetune", ["--train"], "--train: has no value"),
    ],
)
def test_a_word_that_is_not_understood_is_named(kind: str, words: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_params(kind, words)
    assert str(caught.value).startswith(said)


def test_a_value_that_does_not_fit_is_refused_by_the_gateway(client: GatewayClient) -> None:
    for value in ("soon", "NaN", "[1]"):
        params = parse_params("pretrain", ["--recipe", "demo", "--max-steps", value])
        with pytest.raises(InputError) as caught:
            client.post("/v1/jobs", {"kind": "pretrain", "params": params})
        assert "max_steps" in caught.value.where


def test_datasets_and_jobs_go_by_name_label_and_first_letters(
    gateway: Running, client: GatewayClient
) -> None:
    for dataset in (TRAIN, OTHER):
        put_dataset(gateway.database, gateway.settings, dataset)
    old, new = (client.post("/v1/jobs", PRETRAIN | {"label": "mouse"})["id"] for _ in range(2))
    plain = client.post("/v1/jobs", PRETRAIN)["id"]
    for word in (TRAIN, TRAIN[:6], "a1.csv"):
        assert find_dataset(client, word)["id"] == TRAIN
    for word, job in (("mouse", new), (old, old), (old[:10], old), (old[4:12], old), ("last", plain)):
        assert find_job(client, word)["id"] == job
    for word in ("", TRAIN[:5], "a1", "nobody"):
        with pytest.raises(InputError, match="is no dataset of yours; see `rnalearner data list`"):
            find_dataset(client, word)
    for word in ("", old[:8], "nobody"):
        with pytest.raises(InputError, match="is no job of yours; see `rnalearner job list`"):
            find_job(client, word)
    assert with_ids(client, {"datasets": ["a1.csv", OTHER[:8]], "k": 3}) == {
        "datasets": [TRAIN, OTHER],
        "k": 3,
    }
    assert with_ids(client, {"train": "a1.csv", "tuned_by": "mouse"}) == {"train": TRAIN, "tuned_by": new}
