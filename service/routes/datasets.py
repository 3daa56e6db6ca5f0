"""Count tables: upload, labels, report, removal."""

import base64
import binascii
import re
from functools import partial
from typing import Annotated, Any, cast

import anyio
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import Connection, RowMapping
from starlette.concurrency import run_in_threadpool

from service.crash import reached
from service.datasets import rows as datasets
from service.datasets.deletion import delete_dataset
from service.datasets.multipart import Form
from service.datasets.uploads import LABELS_MB, receive, refuse_declared, scratch
from service.problems import ProblemError, problems, still_validating
from service.schemas.base import Sha256
from service.schemas.datasets import DatasetPage, DatasetPublic, DatasetReport, DatasetState
from service.schemas.looks import DatasetLook
from service.web.cursors import Cursor, Limit, link, place
from service.web.deps import GatewayDep, Reader, Writer
from service.web.etags import NOT_MODIFIED, IfNoneMatch, tagged

router = APIRouter(prefix="/v1", tags=["datasets"])

DatasetId = Annotated[Sha256, Path(description="sha256 of the table's bytes.")]
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
    return tagged(_shown(row), None)


@router.get("/datasets", response_model=DatasetPage)
async def list_datasets(
    request: Request,
    caller: Reader,
    gateway: GatewayDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    state: DatasetState | None = None,
) -> Response:
    """Your datasets, the newest first."""

    def work(connection: Connection) -> list[RowMapping]:
        return datasets.page(connection, caller.owner, state, place(cursor), limit + 1)

    rows = await gateway.database.aread(work)
    shown = DatasetPage(
        items=[DatasetPublic.model_validate(row) for row in rows[:limit]],
        next=str(rows[limit - 1]["number"]) if len(rows) > limit else None,
    )
    return Response(shown.model_dump_json(), headers=link(request, shown.next), media_type="application/json")


@router.get("/datasets/{dataset_id}", response_model=DatasetPublic, responses=NOT_MODIFIED | problems(404))
async def read_dataset(
    dataset_id: DatasetId, caller: Reader, gateway: GatewayDep, held: IfNoneMatch = None
) -> Response:
    """One dataset, with what validation found; its ETag changes with state, labels and report."""
    row = await gateway.database.aread(partial(datasets.get, owner=caller.owner, dataset=dataset_id))
    return tagged(_shown(row), held)


@router.get(
    "/datasets/{dataset_id}/look",
    response_model=DatasetLook,
    responses=NOT_MODIFIED | problems(404, 409),
)
async def show_look(
    dataset_id: DatasetId, caller: Reader, gateway: GatewayDep, held: IfNoneMatch = None
) -> Response:
    """What is seen of a table at once: library sizes, principal components, correlations, a suspected batch.

    A table that cannot be read has none; one whose sheet alone cannot be used does.
    """
    row = await gateway.database.aread(partial(datasets.get, owner=caller.owner, dataset=dataset_id))
    if row["state"] == "VALIDATING":
        raise still_validating(dataset_id)
    look = await run_in_threadpool(datasets.look_of, gateway.settings, row)
    if look is None:
        what, remedy = "has no look: its table could not be read", "see its problem, and mend the table"
        raise ProblemError(404, "no-such-look", f"dataset {dataset_id}", what, remedy)
    return tagged(look.model_dump_json().encode(), held)


@router.delete("/datasets/{dataset_id}", status_code=204, responses=problems(404))
async def remove_dataset(dataset_id: DatasetId, caller: Writer, gateway: GatewayDep) -> None:
    """Remove a dataset and all that derives from it: files, jobs, their results, and jobs that read those.

    What runs is stopped first.
    """
    await run_in_threadpool(delete_dataset, gateway.database, gateway.settings, caller.owner, dataset_id)
    gateway.supervisor.wake()


def _shown(row: RowMapping) -> bytes:
    return DatasetPublic.model_validate(row).model_dump_json().encode()


def _stored(row: RowMapping, status: int) -> Response:
    answer = tagged(_shown(row), None)
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
