"""Whatever goes wrong, the answer is application/problem+json: one sentence with a remedy."""

import json
import logging
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from rnalearner.errors import ClusterError, InputError, OpenClusterError, RnalearnerError
from service.problems import ProblemError, as_problem
from service.schemas.base import refuse_unstorable
from service.web.access import MAX_BODY
from tests.service.harness import Running

JSON = {"Content-Type": "application/json"}


def _problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:rnalearner:")
    assert body["detail"].endswith(".")
    assert body["instance"].startswith("/")
    return body


def test_an_unknown_path_is_a_404_problem(sqlite_gateway: Running) -> None:
    assert _problem(sqlite_gateway.http.get("/v2/nothing"), 404)["instance"] == "/v2/nothing"


def test_a_slash_too_many_is_not_redirected_to_whatever_host_was_named(sqlite_gateway: Running) -> None:
    _problem(sqlite_gateway.lab.get("/v1/me/", headers={"Host": "evil.example"}), 404)


def test_a_wrong_method_is_a_405_problem_that_names_the_right_ones(sqlite_gateway: Running) -> None:
    answer = sqlite_gateway.lab.request("PATCH", "/v1/me")
    _problem(answer, 405)
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"owner": ' + b"9" * 5000 + b"}",
        b'{"owner": "lab", "days": NaN}',
        b'{"owner": "lab", "days": 1e999}',
        b'{"owner": "lab", "name": "\\ud800"}',
        b'{"owner": "lab", "name": "\\u0000"}',
        b'{"owner": "lab", "\\ud800": 1}',
        b'{"\\u0000": {"deep": ["\\ud800"]}, "owner": "lab"}',
        b"null",
        b"[]",
        b'"owner"',
    ],
)
def test_a_body_that_makes_no_sense_is_a_problem(sqlite_gateway: Running, body: bytes) -> None:
    answer = sqlite_gateway.lab.post("/v1/keys", content=body, headers=JSON)
    assert _problem(answer, answer.status_code)["status"] in (400, 422)


def test_every_fault_of_a_body_is_named_and_no_value_is_repeated(sqlite_gateway: Running) -> None:
    wish = {"owner": "NOT GOOD", "scopes": ["root"], "name": "rnal_secret" * 100}
    body = _problem(sqlite_gateway.lab.post("/v1/keys", json=wish), 422)
    assert {fault["where"] for fault in body["errors"]} == {"body.owner", "body.scopes.0", "body.name"}
    assert "rnal_secret" not in json.dumps(body)


@pytest.mark.parametrize("path", ["/v1/me%00", "/v1/keys?cursor=%00", "/v1/%00", "/v1/keys?%00=1"])
def test_a_nul_in_a_path_or_query_is_refused(gateway: Running, path: str) -> None:
    _problem(gateway.lab.get(path), 422)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=" + "9" * 5000, "limit=-1", "limit=x", "cursor=%ff", "cursor=", "limit=1e3"]
)
def test_a_query_out_of_range_is_a_422(gateway: Running, query: str) -> None:
    _problem(gateway.lab.get(f"/v1/keys?{query}"), 422)


def test_a_body_beyond_the_cap_is_a_413_whether_or_not_its_length_is_declared(
    sqlite_gateway: Running,
) -> None:
    large = b" " * (MAX_BODY + 1)
    pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
    _problem(sqlite_gateway.lab.post("/v1/keys", content=large, headers=JSON), 413)
    _problem(sqlite_gateway.lab.post("/v1/keys", content=pieces, headers=JSON), 413)
    fits = b'{"owner": "lab"}'.ljust(MAX_BODY)
    assert sqlite_gateway.lab.post("/v1/keys", content=fits, headers=JSON).status_code == 201


def test_what_nobody_foresaw_is_a_500_whose_cause_only_the_log_has(
    sqlite_gateway: Running, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("the secret of the universe")

    sqlite_gateway.app.add_api_route("/fails", fail)
    with caplog.at_level(logging.ERROR, "rnalearner.gateway"):
        answer = sqlite_gateway.http.get("/fails")
    _problem(answer, 500)
    assert answer.headers["x-request-id"]
    assert "universe" not in answer.text
    assert "universe" in caplog.text


def test_a_database_that_does_not_answer_is_a_503(gateway: Running) -> None:
    def fail() -> None:
        with gateway.database.write() as connection:
            broken = (
                "SELECT * FROM no_such_table"
                if gateway.database.sqlite
                else "SELECT pg_terminate_backend(pg_backend_pid())"
            )
            connection.execute(text(broken))

    gateway.app.add_api_route("/fails", fail)
    answer = gateway.http.get("/fails")
    assert _problem(answer, 503)["type"] == "urn:rnalearner:database-unavailable"
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (InputError("x.csv", "has no rows", "add some"), 422, "bad-input"),
        (ClusterError("Ray", "is away", "wait"), 503, "cluster-unavailable"),
        (OpenClusterError("Ray", "is open", "close it"), 503, "cluster-unavailable"),
        (RnalearnerError("x", "failed", "look"), 500, "internal"),
        (OSError(28, "No space left on device"), 507, "disk-full"),
        (ProblemError(429, "too-many", "queue", "is full", "wait"), 429, "too-many"),
    ],
)
def test_each_kind_of_error_has_its_status(error: Exception, status: int, name: str) -> None:
    problem = as_problem(error)
    assert (problem.status, problem.name) == (status, name)


def test_text_that_cannot_be_stored_is_found_at_any_depth() -> None:
    refuse_unstorable({"fine": ["ä", "😀", 1, None, {"deep": "ok"}]})
    for bad in ("\x00", ["\ud800"], {"\udfff": 1}, {"a": [{"b": "\x00"}]}):
        with pytest.raises(ValueError, match="NUL or half a surrogate"):
            refuse_unstorable(bad)


def test_the_api_describes_every_problem_and_every_lock(sqlite_gateway: Running) -> None:
    schema = sqlite_gateway.http.get("/openapi.json").json()
    text = json.dumps(schema)
    assert "HTTPValidationError" not in text
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schema["components"]["schemas"]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            errors = {status for status in operation["responses"] if status >= "400"}
            for status in errors:
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"], path
            if path.startswith("/v1/"):
                assert operation["security"] == [{"key": []}], (method, path)
                assert errors >= {"401", "403", "422", "500", "503"}, (method, path)
