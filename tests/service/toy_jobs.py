"""Datasets, models and requests that are right, to be made wrong one thing at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from rnalearner.layout import PublishedModel
from service.dataset_files import CANONICAL, canonical_labels, dataset_folder
from service.schemas.datasets import DatasetReport, SheetColumn
from service.settings import Settings
from service.store.database import Database, next_number
from service.store.tables import datasets
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running, running

TRAIN, OTHER, THIRD = "a1" * 32, "b2" * 32, "c3" * 32
"""Ids of datasets."""


def report(
    groups: dict[str, int] | None = None, models: dict[str, float] | None = None, **other: Any
) -> DatasetReport:
    """Of a table of 12 samples and 600 genes whose column `flight` holds 6 FLT and 6 GC."""
    values = {"FLT": 6, "GC": 6} if groups is None else groups
    animals = {f"mouse{number}": 1 for number in range(12)}
    columns = [
        SheetColumn(name="flight", values=values, n_values=len(values)),
        SheetColumn(name="animal", values=animals, n_values=12),
    ]
    told: dict[str, Any] = {
        "n_samples": 12,
        "n_genes": 600,
        "samples": [f"s{number}" for number in range(12)],
        "orientation": "rows",
        "id_type": "ensembl",
        "n_matched": 600,
        "share_matched": 1.0,
        "models": models or {},
        "integer": True,
        "n_duplicates": 0,
        "duplicates": [],
        "total_min": 1e6,
        "total_max": 2e6,
        "columns": columns,
        "label_column": "flight",
        "subject_column": "animal",
        "not_in_sheet": [],
        "notes": [],
    }
    return DatasetReport.model_validate(told | other)


def put_dataset(
    database: Database,
    settings: Settings,
    dataset: str = TRAIN,
    owner: str = "lab",
    state: str = "READY",
    found: DatasetReport | None = None,
) -> str:
    """A row and a folder, as an upload and its validation leave them."""
    folder = dataset_folder(settings, owner, dataset)
    folder.mkdir(parents=True)
    (folder / CANONICAL).write_text("sample,g\n")
    (folder / canonical_labels("d" * 64)).write_text("sample,flight\n")
    with database.write() as connection:
        values = {
            "owner": owner,
            "id": dataset,
            "number": next_number(connection, "datasets"),
            "name": f"{dataset[:2]}.csv",
            "bytes": 9,
            "state": state,
            "labels_sha256": "d" * 64,
            "report": (found or report()).model_dump(mode="json") if state == "READY" else None,
            "created": 0.0,
        }
        connection.execute(insert(datasets).values(values))
    return dataset


def put_model(settings: Settings, name: str = "osd", guide: bool = True, folder: Path | None = None) -> Path:
    """A published model, with both guides or none; `folder` instead of the operator's own."""
    model = PublishedModel(folder or settings.models / name)
    model.base_checkpoint.mkdir(parents=True)
    if guide:
        model.guide.mkdir()
        model.gene_guide.mkdir()
    card = {"id": "0" * 12, "name": name, "licence": "CC0-1.0", "model": {"dim": 32, "depth": 2}}
    model.card.write_text(json.dumps(card))
    model.genes.write_text("ENSMUSG01\nENSMUSG02\nENSMUSG03\n")
    return model.root


def finetune(train: str = TRAIN, label: str = "", **params: Any) -> dict[str, Any]:
    """The body of a POST."""
    return {"kind": "finetune", "label": label, "params": {"train": train, **params}}


def linear(train: str = TRAIN, label: str = "", **params: Any) -> dict[str, Any]:
    """The same for the linear model."""
    return {"kind": "linear", "label": label, "params": {"train": train, **params}}


@contextmanager
def away(settings: Settings, fake: FakeCluster) -> Iterator[Running]:
    """A gateway with one dataset, whose cluster does not answer: jobs wait."""
    fake.unreachable()
    with running(settings, fake) as gateway:
        put_dataset(gateway.database, gateway.settings)
        yield gateway
