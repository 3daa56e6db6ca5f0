"""Pages as they are sent: whose they are, what a browser may do with them, how errors look."""

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

from service.pages.html import POLICY
from service.pages.static_files import FOLDER
from tests.service.harness import Running
from tests.service.pages.conftest import signed_in
from tests.service.toy_tables import SHEET, sha256, table, when_validated

MISSING_DATASET, MISSING_JOB = "/datasets/" + "ab" * 32, "/jobs/job-" + "0a" * 12


@pytest.fixture
def dataset(sqlite_gateway: Running) -> str:
    body = table()
    path = f"/v1/datasets/{sha256(body)}"
    sqlite_gateway.lab.put(path, content=body, params={"name": "<b>mice</b>"})
    sqlite_gateway.lab.put(f"{path}/labels", content=SHEET)
    assert when_validated(sqlite_gateway.lab, path)["state"] == "READY"
    return path.removeprefix("/v1")


def pages(dataset: str) -> tuple[str, ...]:
    return ("/", dataset, "/jobs", "/models", "/cluster", "/docs", MISSING_JOB, MISSING_DATASET, "/sign-in")


def test_nothing_that_stands_in_a_page_is_run_and_nothing_comes_from_elsewhere(
    anna: httpx.Client, dataset: str
):
    for path in pages(dataset):
        answer = anna.get(path)
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Cache-Control"] == "private, no-store"
        scripts = re.findall(r"<script\b([^>]*)>", answer.text)
        assert all('src="/static/' in script or 'type="application/json"' in script for script in scripts)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", answer.text)
        assert not re.search(r'(?:src|href|action|hx-get)="(?!/|#)', answer.text)


def test_names_are_text_wherever_they_stand(anna: httpx.Client, dataset: str):
    for path in ("/", dataset):
        text = anna.get(path).text
        assert "&lt;b&gt;mice&lt;/b&gt;" in text
        assert "<b>mice" not in text


def test_what_belongs_to_others_is_as_missing_as_what_is_not_there(sqlite_gateway: Running, dataset: str):
    with signed_in(sqlite_gateway, sqlite_gateway.caller("other").key) as other:
        theirs, missing = other.get(dataset), other.get(MISSING_DATASET)
    assert theirs.status_code == missing.status_code == 404
    identity = dataset.rpartition("/")[2]
    assert theirs.text.replace(identity, "") == missing.text.replace("ab" * 32, "")


@pytest.mark.parametrize("path", [MISSING_DATASET, MISSING_JOB, "/jobs/nonsense", "/models/none", "/compare"])
def test_an_error_is_a_page_with_a_remedy(anna: httpx.Client, path: str):
    answer = anna.get(path)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("text/html")
    assert 'class="remedy"' in answer.text


def test_a_key_that_may_only_read_is_shown_no_form_that_writes(sqlite_gateway: Running, dataset: str):
    with signed_in(sqlite_gateway, sqlite_gateway.caller("lab", "read").key) as reader:
        for path in ("/", dataset):
            assert not re.search("data-upload|data-sheet|data-method", reader.get(path).text)


def test_a_part_of_a_page_whose_session_is_over_takes_its_whole_page_to_the_door(sqlite_gateway: Running):
    answer = sqlite_gateway.http.get("/jobs", headers={"HX-Request": "true"})
    assert answer.headers["HX-Refresh"] == "true"


def test_libraries_are_those_that_were_published(sqlite_gateway: Running):
    vendor = FOLDER / "vendor"
    listed = json.loads((vendor / "vendor.json").read_text())
    for each in listed:
        assert hashlib.sha256((vendor / each["file"]).read_bytes()).hexdigest() == each["sha256"]
        assert (vendor / each["licence_file"]).is_file()
    assert {each["file"] for each in listed} == {path.name for path in vendor.glob("*.[jc]s*")} - {
        "vendor.json"
    }


def test_files_of_the_pages_are_served_as_what_they_are_and_nothing_else_is(sqlite_gateway: Running):
    for path in FOLDER.rglob("*.*"):
        answer = sqlite_gateway.http.get(f"/static/{path.relative_to(FOLDER)}")
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for outside in ("/static/../html.py", "/static/%2e%2e/html.py", "/static/", "/static/vendor"):
        assert sqlite_gateway.http.get(outside).status_code == 404


def test_pages_are_no_part_of_the_published_interface(sqlite_gateway: Running):
    paths = sqlite_gateway.http.get("/openapi.json").json()["paths"]
    assert all(path.startswith("/v1/") or path in ("/healthz", "/readyz", "/metrics") for path in paths)


def test_no_template_is_left_unused():
    templates = Path(FOLDER).parent / "templates"
    text = "".join(path.read_text() for path in [*templates.glob("*"), *templates.parent.glob("*.py")])
    assert all(text.count(f'"{path.name}"') for path in templates.glob("*.jinja"))
