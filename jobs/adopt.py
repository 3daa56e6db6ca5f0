"""A published model instead of Phases I and II: its checkpoint and guides become the run's own."""

import json
import shutil
from pathlib import Path
from typing import Any

from rnalearner.config import ModelConfig, PreprocessingConfig, RunConfig
from rnalearner.errors import CheckpointError
from rnalearner.layout import PublishedModel, RunLayout
from rnalearner.publish import publish_folder


def started_from(config: RunConfig) -> RunConfig:
    """The recipe with the genes, scale and sizes of its `model.path`, if it has one.

    Raises CheckpointError where that is no published model.
    """
    if config.model.path is None:
        return config
    model = PublishedModel(config.model.path.resolve())
    card = read_card(model)
    try:
        sizes = ModelConfig.model_validate(card["model"] | {"path": model.root})
        scale = PreprocessingConfig.model_validate(card["preprocessing"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            model.card, f"lacks sizes or scale ({error})", "export the model again"
        ) from None
    # Which samples are good enough is the run's to say; the scale and the bins are the model's.
    own = config.preprocessing
    scale = scale.model_copy(update={"min_expressed_genes": own.min_expressed_genes})
    data = config.data.model_copy(update={"panel": model.genes})
    return config.model_copy(update={"model": sizes, "preprocessing": scale, "data": data})


def read_card(model: PublishedModel) -> dict[str, Any]:
    """What a model says of itself; raises CheckpointError where it has no card."""
    try:
        card = json.loads(model.card.read_text(encoding="utf-8"))
        if isinstance(card, dict):
            return card
    except (OSError, ValueError):
        pass
    raise CheckpointError(model.root, "is no published model", "name a folder that `rnalearner export` made")


def checked_model(model: PublishedModel) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Its card and genes; raises CheckpointError where a byte is not what the card says."""
    from rnalearner.checkpoint import WEIGHTS, check_same
    from rnalearner.counts.genes import GeneSet
    from rnalearner.errors import GeneError
    from rnalearner.guide.gene_guide import GeneGuide
    from rnalearner.guide.scaling import Guide
    from rnalearner.model.build import load_encoder
    from rnalearner.publish import sha256_of
    from rnalearner.report.card import model_id

    card, again = read_card(model), "export the model again"
    try:
        genes = GeneSet.from_file(model.genes)
        sizes = ModelConfig.model_validate(card["model"])
        scale = PreprocessingConfig.model_validate(card["preprocessing"])
        base, guide = card["base_checkpoint_sha256"], card["guide_sha256"]
        gene_guide = card.get("gene_guide_sha256")  # models of older versions have none
        expected = {"id": card["id"], "gene set": card["gene_set"]["sha256"]}
    except GeneError as error:
        raise CheckpointError(error.where, error.what, again) from None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(model.card, f"is not a whole card ({error})", again) from None
    found: dict[str, str | None] = {"id": model_id(base, guide, gene_guide), "gene set": genes.sha256}
    if found == expected:
        encoder, _ = load_encoder(model.base_checkpoint, sizes, scale, genes)
        expected |= {"base checkpoint": base, "guide": guide, "gene guide": gene_guide}
        found |= {"base checkpoint": sha256_of(model.base_checkpoint / WEIGHTS)}
        found |= {"guide": None, "gene guide": None}
        if model.guide.exists():
            stored = Guide.load(model.guide)
            check_same(model.guide, stored.meta, {"base_checkpoint": base})
            stored.check(encoder)
            found["guide"] = sha256_of(model.guide / WEIGHTS)
        if model.gene_guide.exists():
            GeneGuide.load(model.gene_guide)
            found["gene guide"] = sha256_of(model.gene_guide / WEIGHTS)
    for what, value in found.items():
        if value != expected[what]:
            raise CheckpointError(model.root, f"its {what} is not the one on its card", again)
    return card, genes.ids


def corpus_of_model(config: RunConfig) -> list[str]:
    """The studies that the run's published model learned from, if it starts from one."""
    if config.model.path is None:
        return []
    corpus = read_card(PublishedModel(config.model.path)).get("corpus") or {}
    return [str(study) for study in corpus.get("studies", [])]


def adopt_checkpoint(config: RunConfig, layout: RunLayout) -> dict[str, Any]:
    """In place of Phase I; returns the card's figures. Raises CheckpointError for a damaged model."""
    model = PublishedModel(_path(config))
    card, _ = checked_model(model)
    _copy(model.base_checkpoint, layout.base_checkpoint)
    return {"model": card.get("id"), "name": card.get("name")}


def adopt_guide(config: RunConfig, layout: RunLayout) -> dict[str, Any]:
    """In place of Phase II; raises CheckpointError where the model has no guide."""
    model = PublishedModel(_path(config))
    if not model.guide.exists():
        remedy = "leave the arm `guided` out, or export the model with its guide"
        raise CheckpointError(model.root, "has no guide", remedy)
    _copy(model.guide, layout.guide)
    return {"model": read_card(model).get("id")}


def adopt_gene_guide(config: RunConfig, layout: RunLayout) -> dict[str, Any]:
    """In place of gene-level scouts; raises CheckpointError where the model has no gene guide."""
    model = PublishedModel(_path(config))
    if not model.gene_guide.exists():
        remedy = "set linear.guide = false, or export the model again"
        raise CheckpointError(model.root, "has no gene guide", remedy)
    _copy(model.gene_guide, layout.gene_guide)
    return {"model": read_card(model).get("id")}


def _path(config: RunConfig) -> Path:
    assert config.model.path is not None  # noqa: S101 - phases ask only then
    return config.model.path


def _copy(source: Path, target: Path) -> None:
    try:
        with publish_folder(target) as temporary:
            shutil.copytree(source, temporary, dirs_exist_ok=True)
    except FileNotFoundError:
        raise CheckpointError(source, "is missing from the model", "export the model again") from None
