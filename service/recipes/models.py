"""Published models that a job can start from: the operator's, and those of the owner's own jobs."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, select

from rnalearner.layout import PublishedModel, RunLayout
from service.schemas.jobs import ModelId
from service.settings import Settings
from service.store.tables import jobs

_log = logging.getLogger("rnalearner.models")
_ID = TypeAdapter(ModelId)


@dataclass(frozen=True)
class Model:
    """A folder with a readable card."""

    id: str
    source: Literal["operator", "job"]
    folder: Path
    has_guide: bool
    has_gene_guide: bool
    n_genes: int
    card: dict[str, Any]
    created: float

    @property
    def name(self) -> str:
        return str(self.card.get("name") or self.id)


def list_models(connection: Connection, settings: Settings, owner: str) -> list[Model]:
    """The operator's by name, then the owner's own, the newest first."""
    return [*operator_models(settings), *_own(connection, settings, owner)]


def find_model(connection: Connection, settings: Settings, owner: str, model_id: str) -> Model | None:
    """One of `list_models`; None for what is not there, not whole, or somebody else's."""
    if model_id.startswith("job-"):
        return next(iter(_own(connection, settings, owner, model_id)), None)
    return _model(model_id, "operator", settings.models / model_id)


def operator_models(settings: Settings) -> list[Model]:
    """Folders of `settings.models`; one that is no model, or is called as no model may be, is left out."""
    try:
        names = sorted(path.name for path in settings.models.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    found = (_model(name, "operator", settings.models / name) for name in names if _is_id(name))
    return [model for model in found if model is not None]


def _is_id(name: str) -> bool:
    """Names of temporary folders begin with a dot; those of jobs belong to jobs."""
    try:
        _ID.validate_python(name)
    except ValidationError:
        return False
    return not name.startswith("job-")


def _own(
    connection: Connection, settings: Settings, owner: str, model_id: str | None = None
) -> Iterable[Model]:
    made = select(jobs.c.id).where(
        jobs.c.owner == owner,
        jobs.c.status == "SUCCEEDED",
        jobs.c.kind.in_(("pretrain", "scout")),
        jobs.c.deleted.is_(False),
    )
    if model_id is not None:
        made = made.where(jobs.c.id == model_id)
    for name in connection.execute(made.order_by(jobs.c.number.desc())).scalars():
        model = _model(name, "job", RunLayout(settings.jobs / name).exported.root)
        if model is not None:
            yield model


def _model(model_id: str, source: Literal["operator", "job"], folder: Path) -> Model | None:
    published = PublishedModel(folder)
    try:
        stat = published.card.stat()
        card, n_genes = _read(published, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("model %s is left out: its card or its genes cannot be read (%s)", folder, error)
        return None
    guides = published.guide.is_dir(), published.gene_guide.is_dir()
    return Model(model_id, source, folder, *guides, n_genes, card, stat.st_mtime)


@lru_cache(maxsize=256)
def _read(model: PublishedModel, changed_ns: int, n_bytes: int) -> tuple[dict[str, Any], int]:
    """Card and number of genes; read again only where the card's size or time is another.

    Raises ValueError for what is no JSON object that can be sent.
    """
    card = json.loads(model.card.read_bytes())
    if not isinstance(card, dict):
        raise ValueError("it is no JSON object")
    json.dumps(card, allow_nan=False, ensure_ascii=False).encode()
    return card, len(model.genes.read_text(encoding="utf-8").split())
