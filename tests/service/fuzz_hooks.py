"""What the fuzzer cannot know of the gateway; schemathesis loads this file, see test_fuzz.py."""

import hashlib
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.transport.serialization import Binary

from service.datasets.rows import is_name
from tests.service.toy_tables import sha256, table

KEPT, SPARE = sha256(table(1)), sha256(table(2))
"""Datasets: jobs use the first; the other one may be deleted, and given sheets that do not fit it."""

FORMS = ["POST /v1/datasets", "POST /v1/datasets:validate"]
CHANGING = ["DELETE /v1/datasets/{dataset_id}", "PUT /v1/datasets/{dataset_id}/labels"]


@schemathesis.hook("before_call").apply_to(name="PUT /v1/datasets/{dataset_id}")
def name_it_by_its_bytes(context: Any, case: Any, kwargs: Any) -> None:
    """No schema says that an id is the sha256 of the body; of every second one it shall be."""
    if isinstance(case.body, bytes) and len(case.body) % 2:
        case.path_parameters["dataset_id"] = hashlib.sha256(case.body).hexdigest()


@schemathesis.hook("before_call").apply_to(name="POST /v1/datasets:validate")
def send_a_table(context: Any, case: Any, kwargs: Any) -> None:
    """No schema says what a table is; every second file shall be one, without a sheet."""
    file = case.body.get("file") if isinstance(case.body, dict) else None
    if isinstance(file, Binary) and len(file.data) % 2:
        case.body["file"] = Binary(table(1))
        case.body.pop("labels", None)


@schemathesis.hook("before_call").apply_to(name=CHANGING)
def keep_what_jobs_use(context: Any, case: Any, kwargs: Any) -> None:
    """Else its deletion takes all jobs along, and the rest of the run sees nothing but 404."""
    if case.path_parameters.get("dataset_id") == KEPT:
        case.path_parameters["dataset_id"] = SPARE


@schemathesis.hook("filter_failure").apply_to(name=FORMS)
def is_wrong_on_the_wire(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """In a form all is text or bytes: the JSON value null is sent as the name `null`, which is a good one."""
    body = case.body
    if not isinstance(failure, AcceptedNegativeData) or not isinstance(body, dict):
        return True
    name = body.get("name", "")
    is_good = not isinstance(name, str) or name == "" or is_name(name)
    sent = {field for field, value in body.items() if value != []}  # an empty list is no part of a form
    return not ({"file"} <= sent <= {"file", "labels", "name"} and is_good)


@schemathesis.hook("filter_failure").apply_to(name="GET /v1/jobs/{job_id}/events")
def is_not_about_an_unknown_header(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """HTTP ignores those, and so does this check, unless a header beside it is a number."""
    unknown = "x-schemathesis-unknown-property" in (case.headers or {})
    return not (unknown and isinstance(failure, AcceptedNegativeData))
