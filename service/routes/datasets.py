"""Count tables: their list, report, look and removal; `uploads` brings them."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection, RowMapping
from starlette.concurrency import run_in_threadpool

from service.datasets import rows as datasets
from service.datasets.deletion import delete_dataset
from service.problems import ProblemError, problems, still_validating
from service.schemas.base import Sha256
from service.schemas.datasets import DatasetPage, DatasetPublic, DatasetState
from service.schemas.looks import DatasetLook
from service.web.cursors import Cursor, Limit, link, place
from service.web.deps import GatewayDep, Reader, Writer
from service.web.etags import NOT_MODIFIED, IfNoneMatch, tagged

router = APIRouter(prefix="/v1", tags=["datasets"])

DatasetId = Annotated[Sha256, Path(description="sha256 of the table's bytes.")]


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
    return tagged(body_of(row), held)


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


def body_of(row: RowMapping) -> bytes:
    """A dataset as it travels."""
    return DatasetPublic.model_validate(row).model_dump_json().encode()
