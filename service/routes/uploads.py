"""What brings bytes: a count table, its sheet of labels, a question what would be said of both."""

import base64
import binascii
import re
from functools import partial
from typing import Annotated, Any, cast

import anyio
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import RowMapping
from starlette.concurrency import run_in_threadpool

from service.crash import reached
from service.datasets import rows as datasets
from service.datasets.multipart import Form
from service.datasets.uploads import LABELS_MB, receive, refuse_declared, scratch
from service.problems import ProblemError, problems
from service.routes.datasets import DatasetId, body_of
from service.schemas.datasets import DatasetPublic, DatasetReport
from service.web.deps import GatewayDep, Writer
from service.web.etags import tagged

router = APIRouter(prefix="/v1", tags=["datasets"])

Name = Annotated[
    str | None,
    Query(pattern=datasets.NAME, max_length=datasets.MOST_LETTERS, description="What to call it."),
]
ContentDigest = Annotated[
    str | None, Header(description="RFC 9530: `sha-256=:<base64>:` is checked, others are not.")
]

_BYTES = {"type": "string", "format": "binary", "minLength": 1}
_NAME = {"type": "string", "maxLength": datasets.MOST_LETTERS, "pattern": datasets.NAME.replace("+", "*")}
_FORM = {
    "type": "object",
    "properties": {"file": _BYTES, "labels": _BYTES, "name": _NAME},
    "required": ["file"],
    "additionalProperties": False,
}
_LOCATION = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}
_STORED: dict[int | str, dict[str, Any]] = {
    200: {"model": DatasetPublic, "description": "You have it already.", "headers": _LOCATION},
    201: {"description": "Stored; now it is validated.", "headers": _LOCATION},
}


def _body(schema: dict[str, Any], *media: str, required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself."""
    return {"requestBody": {"required": required, "content": {name: {"schema": schema} for name in media}}}


@router.put(
    "/datasets/{dataset_id}",
    status_code=201,
    response_model=DatasetPublic,
    responses=_STORED | problems(507),
    openapi_extra=_body({**_BYTES, "minLength": 0}, "application/octet-stream", required=False),
)
async def put_dataset(
    dataset_id: DatasetId,
    request: Request,
    caller: Writer,
    gateway: GatewayDep,
    name: Name = None,
    content_digest: ContentDigest = None,
) -> Response:
    """Upload a table of counts by the sha256 of its bytes: CSV or TSV, gzipped or not, or h5ad.

    What you have already is not read again, needs no body, and keeps its name.
    """
    _check_digest(content_digest, dataset_id)
    find = partial(datasets.find, owner=caller.owner, dataset=dataset_id)
    known = await gateway.database.aread(find)
    if known is not None:
        return _stored(known, 200)
    settings = gateway.settings
    refuse_declared(request, settings, settings.max_upload_mb)
    async with contextmanager_in_threadpool(scratch(settings, caller.owner)) as folder:
        reached("upload.begun")
        table = await receive(request, folder / "file", settings, settings.max_upload_mb)
        if table.sha256 != dataset_id:
            what, remedy = f"has the sha256 {table.sha256}", "send it again, whole, to its own address"
            raise ProblemError(422, "digest-mismatch", "upload", what, remedy)
        reached("upload.received")
        row, is_new = await run_in_threadpool(
            datasets.store,
            gateway.database,
            settings,
            caller.owner,
            name or _unnamed(table.sha256),
            table,
            None,
        )
    gateway.validator.wake()
    return _stored(row, 201 if is_new else 200)


@router.post(
    "/datasets",
    status_code=201,
    response_model=DatasetPublic,
    responses=_STORED | problems(415, 507),
    openapi_extra=_body(_FORM, "multipart/form-data"),
)
async def post_dataset(request: Request, caller: Writer, gateway: GatewayDep) -> Response:
    """Upload a table from a form: `file`, and perhaps its sheet of `labels` and its `name`."""
    settings = gateway.settings
    refuse_declared(request, settings, settings.max_upload_mb + LABELS_MB + 1)
    async with contextmanager_in_threadpool(scratch(settings, caller.owner)) as folder:
        reached("upload.begun")
        form = Form(folder, settings)
        await form.read(request)
        table, sheet = form.files["file"], form.files.get("labels")
        name = _checked_name(form) or _unnamed(table.sha256)
        reached("upload.received")
        row, is_new = await run_in_threadpool(
            datasets.store, gateway.database, settings, caller.owner, name, table, sheet
        )
    gateway.validator.wake()
    return _stored(row, 201 if is_new else 200)


@router.post(
    "/datasets:validate",
    responses=problems(415, 422, 507),
    openapi_extra=_body(_FORM, "multipart/form-data"),
)
async def validate_dataset(request: Request, caller: Writer, gateway: GatewayDep) -> DatasetReport:
    """What would be said of a table and its sheet if they were uploaded; nothing is kept.

    A table or a sheet that cannot be used is a problem, 422, which names the fault and its place.
    """
    settings = gateway.settings
    refuse_declared(request, settings, settings.max_upload_mb + LABELS_MB + 1)
    async with contextmanager_in_threadpool(scratch(settings, caller.owner)) as folder:
        form = Form(folder, settings)
        await form.read(request)
        name = _checked_name(form) or "upload"
        table, sheet = await run_in_threadpool(datasets.as_kept, form.files["file"], form.files.get("labels"))
        answer = await anyio.to_thread.run_sync(
            gateway.validator.examine, table, name, sheet, folder, limiter=gateway.validator.turn
        )
    if answer is None:
        what, remedy = "is stopping", "ask again in a minute"
        raise ProblemError(503, "stopping", "the gateway", what, remedy, headers={"Retry-After": "10"})
    if answer.problem is not None:
        fault = answer.problem
        raise ProblemError(422, "unusable-table", fault.where, fault.what, fault.remedy, [fault])
    return cast(DatasetReport, answer.report)


@router.put(
    "/datasets/{dataset_id}/labels",
    response_model=DatasetPublic,
    responses=problems(404, 507),
    openapi_extra=_body(_BYTES, "text/csv", "text/tab-separated-values", "application/octet-stream"),
)
async def put_labels(
    dataset_id: DatasetId, request: Request, caller: Writer, gateway: GatewayDep
) -> Response:
    """Give a dataset its sheet of labels, a line a sample; both are validated (again).

    The first column, or the one named `sample`, names the samples.
    """
    settings = gateway.settings
    await gateway.database.aread(partial(datasets.get, owner=caller.owner, dataset=dataset_id))
    refuse_declared(request, settings, LABELS_MB)
    async with contextmanager_in_threadpool(scratch(settings, caller.owner)) as folder:
        sheet = await receive(request, folder / "labels", settings, LABELS_MB)
        reached("labels.received")
        row = await run_in_threadpool(
            datasets.relabel, gateway.database, settings, caller.owner, dataset_id, sheet
        )
    gateway.validator.wake()
    return tagged(body_of(row), None)


def _stored(row: RowMapping, status: int) -> Response:
    answer = tagged(body_of(row), None)
    answer.status_code = status
    answer.headers["Location"] = f"/v1/datasets/{row['id']}"
    return answer


def _unnamed(sha256: str) -> str:
    return f"counts {sha256[:8]}"


def _checked_name(form: Form) -> str | None:
    if form.name is not None and not datasets.is_name(form.name):
        what = f"holds control characters, or more than {datasets.MOST_LETTERS} letters"
        raise ProblemError(422, "invalid-name", "name", what, "give a short name on one line")
    return form.name


def _check_digest(header: str | None, sha256: str) -> None:
    """Raises ProblemError 422 where Content-Digest has a sha-256 other than that of the path."""
    found = re.search(r"(?:^|[,\s])sha-256=([^,]*)", header or "")
    if found is None:
        return
    try:
        digest = base64.b64decode(found[1].strip().strip(":"), validate=True).hex()
    except (binascii.Error, ValueError):
        digest = ""
    if digest != sha256:
        what, remedy = "is not the sha256 in the path", "correct one of them"
        raise ProblemError(422, "digest-mismatch", "Content-Digest", what, remedy)
