"""Schemathesis against a live gateway: whatever is sent, what comes back is what OpenAPI promises."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.fuzz_hooks import KEPT, SPARE
from tests.service.harness import Live, Running
from tests.service.toy_jobs import finetune, put_model
from tests.service.toy_tables import SHEET, table, wait_until, when_validated

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
)
CONFIG = r"""
request-timeout = 60
warnings = false
continue-on-failure = true
hooks = "tests.service.fuzz_hooks"

[checks]
enabled = false
{checks}

[[operations]]
# No schema says what else is asked of these: that datasets, jobs and columns are there, that an id is the
# sha256 of the body, that an Idempotency-Key is new.
include-path-regex = "^/v1/(jobs|jobs/.job_id.:(cancel|retry)|datasets/.dataset_id.(/labels)?)$"
include-method = ["POST", "PUT"]
checks = {{ positive_data_acceptance = {{ enabled = false }} }}

[dictionaries]
jobs = {{ values = {jobs} }}
datasets = {{ values = ["{kept}"] }}
models = {{ values = ["osd"] }}
files = {{ values = ["summary.json"] }}
columns = {{ values = ["label"] }}
groups = {{ values = ["a", "b", "c"] }}
recipes = {{ values = ["demo"] }}

[parameters]
"path.job_id" = {{ dictionary = "jobs", probability = 0.6 }}
"path.dataset_id" = {{ dictionary = "datasets", probability = 0.6 }}
"path.model_id" = {{ dictionary = "models", probability = 0.6 }}
"path.path" = {{ dictionary = "files", probability = 0.6 }}
"body.params.train" = {{ dictionary = "datasets", probability = 0.8 }}
"body.params.groups[*]" = {{ dictionary = "groups", probability = 0.8 }}
"body.params.column" = {{ dictionary = "columns", probability = 0.8 }}
"body.params.model" = {{ dictionary = "models", probability = 0.8 }}
"body.params.dataset" = {{ dictionary = "datasets", probability = 0.8 }}
"body.params.datasets[*]" = {{ dictionary = "datasets", probability = 0.8 }}
"body.params.classifier" = {{ dictionary = "jobs", probability = 0.8 }}
"body.params.pretraining" = {{ dictionary = "jobs", probability = 0.8 }}
"body.params.recipe" = {{ dictionary = "recipes", probability = 0.8 }}
"""
DOORS = (
    "POST /v1/keys",
    "DELETE /v1/keys/{key_id}",
    "POST /v1/datasets",
    "POST /v1/datasets:validate",
    "PUT /v1/datasets/{dataset_id}",
    "PUT /v1/datasets/{dataset_id}/labels",
    "DELETE /v1/datasets/{dataset_id}",
    "POST /v1/jobs",
    "POST /v1/jobs/{job_id}:cancel",
    "POST /v1/jobs/{job_id}:retry",
    "GET /v1/jobs/{job_id}/events",
    "GET /v1/jobs/{job_id}/logs",
    "GET /v1/jobs/{job_id}/metrics",
    "GET /v1/jobs/{job_id}/results",
    "GET /v1/jobs/{job_id}/results/{path:path}",
    "GET /v1/models/{model_id}",
)
ASKED = re.compile(r'requests_total\{method="(\w+)",path="([^"]+)",status="(\d+)"\}')
"""Of /metrics."""


class Fuzzed:
    """A gateway with something of everything in it, so that cases come further than a 404."""

    def __init__(self, live: Live) -> None:
        self.live, self.caller = live, live.start()
        put_model(live.settings)
        for number, dataset in ((1, KEPT), (2, SPARE)):
            path = f"/v1/datasets/{dataset}"
            assert self.caller.put(path, content=table(number)).status_code == 201
            assert self.caller.put(f"{path}/labels", content=SHEET).status_code == 200
            assert when_validated(self.caller, path)["state"] == "READY"
        first, stopped = self._job(finetune(KEPT)), self._job(finetune(KEPT))
        self.caller.post(f"/v1/jobs/{stopped}:cancel")
        submission = live.fake.wait_for(f"{first}-1")
        live.fake.begin(submission.id)
        # The fuzzer puts no slash into a path's parameter.
        live.fake.finish(submission.id, figures={"report": {"auroc": 0.5}}, files={"summary.json": b"{}\n"})
        wait_until(lambda: self.caller.get(f"/v1/jobs/{first}").json()["status"] == "SUCCEEDED")
        live.fake.behave("succeed")  # so that every stream of events has an end
        explore = {"kind": "explore", "params": {"datasets": [KEPT]}}
        pretrain = {"kind": "pretrain", "params": {"recipe": "demo"}}
        self.jobs = [first, stopped, self._job(explore), self._job(pretrain)]

    def _job(self, body: dict[str, Any]) -> str:
        answer = self.caller.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def run(self, folder: Path, max_examples: int, seed: int) -> int:
        """All phases, so many examples of an operation; returns the number of cases, none of which failed."""
        folder.mkdir()
        config, report, told = folder / "schemathesis.toml", folder / "report.json", folder / "told.txt"
        checks = "\n".join(f"{check}.enabled = true" for check in CHECKS)
        config.write_text(CONFIG.format(checks=checks, jobs=json.dumps(self.jobs), kept=KEPT))
        words = [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={config}",
            "run",
            f"{self.live.http.base_url}/openapi.json",
            f"--header=Authorization:Bearer {self.caller.key}",
            f"--max-examples={max_examples}",
            f"--seed={seed}",
            "--report=json",
            f"--report-json-path={report}",
            "--no-color",
        ]
        path = str(Path(__file__).parents[2])  # of the hooks
        with told.open("w") as output:
            subprocess.run(
                words, stdout=output, stderr=output, cwd=folder, env={**os.environ, "PYTHONPATH": path}
            )
        assert report.exists(), told.read_text()
        found = json.loads(report.read_text())
        assert (found["exit_code"], found["complete"], found["failures"], found["errors"]) == (
            0,
            True,
            [],
            [],
        ), told.read_text()
        assert {phase["status"] for phase in found["phases"].values()} == {"success"}
        return int(found["test_cases"]["generated"])

    def answered(self) -> set[tuple[str, str, int]]:
        """Method, route and status of every kind of answer so far."""
        figures = self.caller.http.get("/metrics").text
        return {(method, path, int(status)) for method, path, status in ASKED.findall(figures)}


@contextmanager
def fuzzed(settings: Settings, fake: FakeCluster) -> Iterator[Fuzzed]:
    limits = ("max_running", "max_reads_per_minute", "max_writes_per_minute", "max_bad_keys_per_minute")
    live = Live(settings.model_copy(update=dict.fromkeys(limits, 10_000_000)), fake)
    try:
        yield Fuzzed(live)
    finally:
        live.stop()


def check_depth(fuzzed: Fuzzed) -> None:
    """No door was only ever shut: behind each something was found, made or (409) out of turn."""
    answered = fuzzed.answered()
    assert {status for _, _, status in answered if status >= 500} == set()
    ways = {f"{method} {path}" for method, path, status in answered if status < 400 or status == 409}
    assert set(DOORS) <= ways, set(DOORS) - ways


def test_a_thousand_cases_find_no_fault(sqlite_url: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0)
    with fuzzed(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        assert gateway.run(tmp_path / "fuzz", max_examples=10, seed=1) >= 1000
        check_depth(gateway)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_five_thousand_cases_find_no_fault(settings: Settings, fake: FakeCluster, tmp_path: Path) -> None:
    with fuzzed(settings, fake) as gateway:
        assert gateway.run(tmp_path / "fuzz", max_examples=200, seed=2) >= 5000
        check_depth(gateway)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_thousand_cases_find_no_fault(sqlite_url: str, tmp_path: Path) -> None:
    """Seed after seed: one run gives up where it finds nothing new."""
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0)
    n_cases, seed = 0, 100
    with fuzzed(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        while n_cases < 50_000:
            n_cases += gateway.run(tmp_path / f"fuzz-{seed}", max_examples=500, seed=seed)
            seed += 1


JSON = b"Content-Type: application/json"
FORM = b"Content-Type: multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename='


@pytest.mark.parametrize(
    ("line", "header", "body"),
    [
        (b"GET /v1/jobs/%ff%fe", b"", b""),
        (b"GET /v1/models/%ed%a0%80", b"", b""),
        (b"GET /v1/jobs?label=%ed%a0%80", b"", b""),
        (b"GET /v1/jobs?limit=" + b"9" * 5000, b"", b""),
        (b"GET /v1/jobs", b"If-None-Match: \xff", b""),
        (b"GET /v1/me", b"X-Request-Id: \xff<b>", b""),
        (b"TRACE /v1/me", b"", b""),
        (b"OPTIONS *", b"", b""),
        (b"GET http://elsewhere/v1/me", b"", b""),
        (b"POST /v1/jobs", JSON, b'{"kind":"\xff"}'),
        (b"POST /v1/jobs", JSON, b'{"kind":"explore","label":"\\ud800","params":{"\\udfff":1}}'),
        (b"POST /v1/jobs", JSON, b'{"kind":"pretrain","params":{"max_steps":' + b"9" * 5000 + b"}}"),
        (b"POST /v1/jobs", JSON, b'{"kind":"pretrain","params":{"max_steps":1e400}}'),
        (b"POST /v1/jobs", JSON, b'{"kind":"pretrain","params":{"max_steps":NaN}}'),
        (b"POST /v1/jobs", JSON, b"[" * 200_000),
        (b"POST /v1/jobs", b"Content-Type: \xff", b"{}"),
        (b"POST /v1/jobs", JSON + b"\r\nIdempotency-Key: \xff", b"{}"),
        (b"PUT /v1/datasets/" + b"0" * 64, b"Content-Digest: sha-256=:\xff:", b"x"),
        (b"POST /v1/datasets", FORM[:-2], b"x"),
        (b"POST /v1/datasets", FORM + b"\xff" * 5000, b"--b\xff"),
        (b"POST /v1/datasets", FORM, PART + b'"' + b"x" * 200_000 + b'"\r\n\r\n\r\n--b--\r\n'),
        (b"POST /v1/datasets", FORM, PART + b'"a\r\nSet-Cookie: b"\r\n\r\n--b--\r\n'),
    ],
    ids=lambda part: part[:30].decode(errors="replace"),
)
def test_what_no_library_sends_is_answered_too(
    sqlite_gateway: Running, line: bytes, header: bytes, body: bytes
) -> None:
    """And never with a fault of the gateway's own, nor with what was sent as a header."""
    url, key = sqlite_gateway.http.base_url, sqlite_gateway.lab.key.encode()
    head = [line + b" HTTP/1.1", b"Host: x", b"Connection: close", b"Authorization: Bearer " + key]
    head += [b"Content-Length: %d" % len(body), *([header] if header else [])]
    with socket.create_connection((url.host, url.port), timeout=20) as connection:
        connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)
        with connection.makefile("rb") as answer:
            status, headers = int(answer.readline().split()[1]), http.client.parse_headers(answer)
            told = answer.read()
    assert status < 500, told
    assert "Set-Cookie" not in headers
    if status >= 400:
        assert headers["Content-Type"] == "application/problem+json"
        assert json.loads(told)["status"] == status


def test_what_the_fuzzer_found_stays_mended(sqlite_gateway: Running) -> None:
    lab = sqlite_gateway.lab
    for path, methods in (("/v1/jobs", "GET, POST"), ("/v1/datasets/" + KEPT, "GET, PUT, DELETE")):
        answer = lab.request("OPTIONS", path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, methods)
    answer = lab.get(f"/v1/jobs/job-{'0' * 24}:cancel")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    for wrong in ({"days": True}, {"days": "1"}, {"name": "\x1b[2J"}, {"name": "\u202e"}):
        assert lab.post("/v1/keys", json={"owner": "lab"} | wrong).status_code == 422
