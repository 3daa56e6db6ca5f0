"""Around every request: ids, figures, the log."""

import json
import logging
import re
from pathlib import Path

import pytest
from fastapi.responses import FileResponse

from tests.service.harness import Running


def _figures(gateway: Running) -> str:
    return gateway.http.get("/metrics").text


def test_a_request_keeps_its_id_or_gets_one(sqlite_gateway: Running) -> None:
    mine = sqlite_gateway.http.get("/healthz", headers={"X-Request-Id": "run-7.a_b"})
    assert mine.headers["x-request-id"] == "run-7.a_b"
    given = {sqlite_gateway.http.get("/healthz").headers["x-request-id"] for _ in range(2)}
    assert len(given) == 2
    for bad in ("x" * 65, "a b", "<script>"):
        answer = sqlite_gateway.http.get("/healthz", headers={"X-Request-Id": bad})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_requests_are_counted_by_the_template_of_their_path(sqlite_gateway: Running) -> None:
    for n in range(3):
        sqlite_gateway.lab.delete(f"/v1/keys/{n:020x}")
    figures = _figures(sqlite_gateway)
    counted = 'rnalearner_requests_total{method="DELETE",path="/v1/keys/{key_id}",status="404"} 3.0'
    assert counted in figures
    assert 'rnalearner_request_seconds_count{method="DELETE",path="/v1/keys/{key_id}"} 3.0' in figures


def test_paths_and_methods_that_are_not_ours_share_one_label(sqlite_gateway: Running) -> None:
    for n in range(3):
        sqlite_gateway.http.get(f"/admin/{n}.php")
    sqlite_gateway.http.request("PROPFIND", "/admin")
    figures = _figures(sqlite_gateway)
    assert 'rnalearner_requests_total{method="GET",path="(none)",status="404"} 3.0' in figures
    assert 'method="(other)",path="(none)"' in figures
    assert ".php" not in figures


def test_the_figures_say_how_the_work_stands(gateway: Running) -> None:
    figures = _figures(gateway)
    assert "# TYPE rnalearner_jobs gauge" in figures
    assert "rnalearner_cluster_up" in figures


def test_the_log_has_a_json_line_a_request_and_never_a_key(
    sqlite_gateway: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rnalearner.access"):
        sqlite_gateway.lab.get("/v1/me?key=rnal_in_the_query", headers={"X-Request-Id": "seven"})
        sqlite_gateway.http.get("/healthz")
    line = json.loads(caplog.records[0].message)
    assert line.pop("at") > 1e9
    assert line.pop("ms") > 0
    named = {"request": "seven", "method": "GET", "path": "/v1/me", "route": "/v1/me", "status": 200}
    assert line == named
    assert "rnal_" not in caplog.text


def test_the_host_that_is_asked_for_opens_nothing(sqlite_gateway: Running) -> None:
    for host in ("evil.example", "localhost/v1/me?", "127.0.0.1/healthz#", "[::1"):
        assert sqlite_gateway.http.get("/v1/me", headers={"Host": host}).status_code == 401


def test_an_error_in_somebody_elses_words_becomes_a_problem(sqlite_gateway: Running, tmp_path: Path) -> None:
    (tmp_path / "ten").write_bytes(b"0123456789")
    sqlite_gateway.app.add_api_route("/ten", lambda: FileResponse(tmp_path / "ten"))
    answer = sqlite_gateway.http.get("/ten", headers={"Range": "bytes=20-30"})
    assert answer.status_code == 416
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-range"] == "bytes */10"
    assert answer.json()["type"] == "urn:rnalearner:no-such-range"
    assert sqlite_gateway.http.get("/ten", headers={"Range": "bytes=8-"}).content == b"89"
