"""A run's model for others: base checkpoint, guides, genes and a card, as one folder."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.adopt import checked_model
from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import PublishedModel, RunLayout


def export(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Publish what Phase I learned, and if asked for Phase II and the gene-level scouts.

    The figures name the model.

    Raises RecipeError for a run that itself started from a published model: it would be the same one.
    """
    from rnalearner.errors import RecipeError
    from rnalearner.report.card import build_card
    from rnalearner.shards.read import ShardStore

    if config.model.path is not None:
        what = "started from a published model and has no other one to export"
        raise RecipeError(layout.root, what, f"use {config.model.path} itself")
    progress("export", 0, 1)
    card = build_card(layout, config)
    genes = ShardStore.open(layout.shards).gene_set.ids
    run = _Parts(
        layout.base_checkpoint,
        layout.guide if config.export.guide else None,
        layout.gene_guide if config.export.gene_guide else None,
    )
    _publish(layout.exported, card, genes, run)
    checked_model(layout.exported)
    return {
        "model": card["id"],
        "name": card["name"],
        "guide": run.guide is not None,
        "gene_guide": run.gene_guide is not None,
        "path": str(layout.exported.root),
    }


def add_model(source: Path, models: Path, name: str) -> Path:
    """Copy an exported model to `models`/`name`, whole or not at all, and return that folder.

    Everything is checked first. Asked again with the same model, it does nothing. Raises
    CheckpointError for a damaged model, RecipeError for a name that is taken or cannot be one.
    """
    from pydantic import TypeAdapter, ValidationError

    from rnalearner.errors import RecipeError
    from service.schemas.jobs import ModelId

    try:
        TypeAdapter(ModelId).validate_python(name)
    except ValidationError:
        what = "cannot name a model"
        raise RecipeError(repr(name), what, "use at most 80 letters, digits, - and _") from None
    if name.startswith("job-"):
        raise RecipeError(name, "is kept for the models of jobs", "choose another name")
    model, target = PublishedModel(source), PublishedModel(models / name)
    card, genes = checked_model(model)
    if target.root.exists():
        if checked_model(target)[0] != card:
            raise RecipeError(target.root, "is another model already", "choose another name, or remove it")
        return target.root
    guide = model.guide if card["guide_sha256"] else None
    gene_guide = model.gene_guide if card.get("gene_guide_sha256") else None
    _publish(target, card, genes, _Parts(model.base_checkpoint, guide, gene_guide))
    return target.root


@dataclass(frozen=True)
class _Parts:
    """Where the checkpoints of a model lie; None where it has none."""

    base_checkpoint: Path
    guide: Path | None
    gene_guide: Path | None


def _publish(target: PublishedModel, card: Mapping[str, Any], genes: tuple[str, ...], parts: _Parts) -> None:
    """Write the folder as one; nothing but a model's own files gets in."""
    from rnalearner.checkpoint import MANIFEST, WEIGHTS
    from rnalearner.publish import publish_folder, write_json, write_text

    with publish_folder(target.root) as temporary:
        new = PublishedModel(temporary)
        for source, folder in (
            (parts.base_checkpoint, new.base_checkpoint),
            (parts.guide, new.guide),
            (parts.gene_guide, new.gene_guide),
        ):
            if source is not None:
                folder.mkdir()
                for name in (MANIFEST, WEIGHTS):
                    shutil.copyfile(source / name, folder / name)
        write_text(new.genes, "".join(f"{gene}\n" for gene in genes))
        write_json(new.card, card)
