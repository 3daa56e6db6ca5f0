"""A run's model for others: base checkpoint, guides, genes, tables and a card, as one folder."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.adopt import checked_model
from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import PublishedModel, RunLayout

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

TOLD = ("layers", "tensors", "genes")
"""Tables of the guide that a model shows."""
GENE_GUIDE = "gene_guide"
MOST_GENES = 1000
"""Of the encoder's guide; the gene guide is shown whole."""


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
    tables = _tables(layout.guide_table, run, _symbols(config))
    _publish(layout.exported, card, genes, run, tables)
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
    parts = _Parts(model.base_checkpoint, guide, gene_guide)
    _publish(target, card, genes, parts, _tables(model.guide_table, parts, _told_symbols(model)))
    return target.root


@dataclass(frozen=True)
class _Parts:
    """Where the checkpoints of a model lie; None where it has none."""

    base_checkpoint: Path
    guide: Path | None
    gene_guide: Path | None


def _tables(
    guide_table: "Callable[[str], Path]", parts: _Parts, symbols: Mapping[str, str]
) -> "dict[str, pd.DataFrame]":
    """By name: those of the guide that lie at `guide_table`, and the gene guide's.

    Read and written anew, so that what a model of somebody else brings along is a table of these columns.
    Raises InputError where one of the guide's is something else.
    """
    import pandas as pd

    from rnalearner.guide.gene_guide import GeneGuide
    from rnalearner.report.inputs import SCHEMAS, read_table

    found: dict[str, pd.DataFrame] = {}
    for name in TOLD if parts.guide is not None else ():
        if guide_table(name).is_file():
            columns = SCHEMAS[f"guide_{name}"].split()
            table = read_table(guide_table(name), columns)[columns]
            found[name] = table.head(MOST_GENES) if name == "genes" else table
    if parts.gene_guide is not None:
        guide = GeneGuide.load(parts.gene_guide)
        table = pd.DataFrame(
            {
                "gene": guide.genes,
                "symbol": [symbols.get(gene, "") for gene in guide.genes],
                "guide": guide.guide_g,
                "n_studies": guide.n_studies_g.astype(int),
            }
        )
        ordered = table.sort_values("guide", ascending=False, kind="stable", ignore_index=True)
        found[GENE_GUIDE] = ordered
    return found


def _symbols(config: RunConfig) -> Mapping[str, str]:
    """By the recipe's table of genes, where that still lies in its place."""
    from rnalearner.counts.gene_table import read_gene_table

    path = None if config.data.genes is None else config.data.root / config.data.genes
    return {} if path is None or not path.is_file() else read_gene_table(path).symbol_of


def _told_symbols(model: PublishedModel) -> Mapping[str, str]:
    """Those that a model's own table of its gene guide gives."""
    from rnalearner.report.inputs import read_table

    if not model.gene_guide_table.is_file():
        return {}
    table = read_table(model.gene_guide_table, ["gene", "symbol"])
    return dict(zip(table["gene"], table["symbol"], strict=True))


def _publish(
    target: PublishedModel,
    card: Mapping[str, Any],
    genes: tuple[str, ...],
    parts: _Parts,
    tables: "Mapping[str, pd.DataFrame]",
) -> None:
    """Write the folder as one; nothing but a model's own files gets in."""
    from rnalearner.checkpoint import MANIFEST, WEIGHTS
    from rnalearner.publish import publish_folder, write_json, write_text
    from rnalearner.spreadsheet import write_csv

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
        for name, table in tables.items():
            path = new.gene_guide_table if name == GENE_GUIDE else new.guide_table(name)
            # Six figures read back as themselves: a model that is added twice has the same bytes.
            write_csv(path, table, float_format="%.6g")
        write_text(new.genes, "".join(f"{gene}\n" for gene in genes))
        write_json(new.card, card)
