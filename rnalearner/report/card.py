"""A model's card: what it learned from, what that is worth, and what nobody has shown."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

import rnalearner
from rnalearner.checkpoint import WEIGHTS, load_meta
from rnalearner.config import RunConfig
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of
from rnalearner.report.inputs import read_phases, read_tables
from rnalearner.report.summary import json_safe
from rnalearner.report.tables import masked_table
from rnalearner.shards.corpus import corpus_rows
from rnalearner.shards.read import ShardStore

NAMED_GENES = 3
"""Gene ids that a card shows; all of them lie beside it."""


def build_card(layout: RunLayout, config: RunConfig, made_at: datetime | None = None) -> dict[str, Any]:
    """Everything that a stranger should know of the run's model, JSON-safe; from the run's folder alone.

    What the run does not know is null. `made_at` is now where it is left out. Raises CheckpointError
    for a damaged checkpoint or guide, InputError for a damaged table.
    """
    store, tables, phases = ShardStore.open(layout.shards), read_tables(layout), read_phases(layout)
    pretrain = phases.get("pretrain", {}).get("figures", {})
    with_guide = config.export.guide
    base = sha256_of(layout.base_checkpoint / WEIGHTS)
    guide = sha256_of(layout.guide / WEIGHTS) if with_guide else None
    gene_guide = sha256_of(layout.gene_guide / WEIGHTS) if config.export.gene_guide else None
    card: dict[str, Any] = {
        "id": model_id(base, guide, gene_guide),
        "name": config.export.name,
        "licence": config.export.licence,
        "gene_set": {
            "n": len(store.gene_set),
            "sha256": store.gene_set.sha256,
            "first": store.gene_set.ids[:NAMED_GENES],
        },
        "preprocessing": store.preprocessing.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json", exclude={"path"}),
        "corpus": _corpus(store, config),
        "scores": _scores(tables.pretrain, pretrain.get("validation_samples")),
        "gene_vectors": _gene_vectors(layout),
        "guide": _guide(layout, tables.scouts) if with_guide else None,
        "gene_guide": _gene_guide(layout) if config.export.gene_guide else None,
        "base_checkpoint_sha256": base,
        "guide_sha256": guide,
        "gene_guide_sha256": gene_guide,
        "recipe_sha256": sha256_of(layout.recipe),
        "made": {
            "version": rnalearner.__version__,
            "at": (made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        },
    }
    card = json_safe(card)
    return card | {"claims": claims(card)}


def model_id(base_checkpoint: str, guide: str | None, gene_guide: str | None = None) -> str:
    """Twelve hex digits that follow from the sha256: the same weights are the same model."""
    parts = f"{base_checkpoint} {guide or ''}" + (f" {gene_guide}" if gene_guide else "")
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def claims(card: Mapping[str, Any]) -> list[str]:
    """What may be said of the model, in honest sentences made from its card."""
    said = [_pretraining_claim(card["scores"])]
    if card["guide"] is not None:
        said.append(_guide_claim(card["guide"]))
    if card.get("gene_guide") is not None:
        said.append(_gene_guide_claim(card["gene_guide"]))
    said.append(
        "It was not shown to help on few-shot tasks: set it against the arm `none` and the linear rivals, "
        "which every report holds."
    )
    if card["corpus"]["source"] == "simulated":
        said.append("Its corpus was simulated: it knows nothing of any animal.")
    said.append("It is not meant for diagnosis.")
    return said


def _corpus(store: ShardStore, config: RunConfig) -> dict[str, Any]:
    """Every study by name, so that whoever tests the model can tell whether it has seen the test."""
    corpus = corpus_rows(store.obs, config.tasks)
    return {
        "source": config.data.source,
        "samples": len(corpus.rows),
        "studies": corpus.studies,
        "left_out": corpus.left_out,
    }


CENTRED = ("study_mean", "corpus_covariance")
"""What stands beside the encoder's score on centred values."""


def _scores(pretrain: pd.DataFrame | None, n_samples: int | None) -> dict[str, Any] | None:
    """Masked loss (of bins: nats a gene) and accuracy on held-out studies, beside the trivial ones."""
    if pretrain is None or pretrain["valid_loss"].isna().all():
        return None
    of_bins = "interpolated" not in set(pretrain.get("model_values", ()))
    names = ("encoder", "commonest_bin", "gene_own_bins") if of_bins else ("encoder", *CENTRED)
    rows = masked_table(pretrain)[["loss", "accuracy"]].to_dict("records")
    step = int(pretrain["step"].iloc[int(np.nanargmin(pretrain["valid_loss"]))])
    return {"step": step, "held_out_samples": n_samples} | dict(zip(names, rows, strict=True))


def _gene_vectors(layout: RunLayout) -> dict[str, Any] | None:
    """How the gene vectors were made; they are part of the base checkpoint."""
    if not layout.gene_vectors.exists():
        return None
    meta = load_meta(layout.gene_vectors)
    return {"genes_without_partner": meta.get("n_unknown"), "about": meta.get("about")}


def _guide(layout: RunLayout, scouts: pd.DataFrame | None) -> dict[str, Any]:
    """What the guide was made of; accuracies are on each scout's own held-out samples."""
    meta = Guide.load(layout.guide).meta
    told = {name: meta.get(name) for name in ("strategy", "measure", "scaling", "trained_blocks")}
    kept = None
    if scouts is not None:
        named = scouts[scouts["scout_id"].isin(meta.get("scouts", ()))]
        kept = named[["name", "n_train", "accuracy", "converged", "moved"]]
    return told | {
        "n_scouts": meta.get("n_scouts", len(meta.get("scouts", ()))),
        "mean_accuracy": None if kept is None else kept["accuracy"].mean(),
        "scouts": None if kept is None else kept.to_dict("records"),
    }


def _gene_guide(layout: RunLayout) -> dict[str, Any]:
    """What the gene guide was made of."""
    guide = GeneGuide.load(layout.gene_guide)
    told = {name: guide.meta.get(name) for name in ("strategy", "n_contrasts", "scale", "seed", "studies")}
    return told | {"n_genes": len(guide.genes)}


def _pretraining_claim(scores: Mapping[str, Any] | None) -> str:
    if scores is None or scores["encoder"]["loss"] is None:
        return "Nothing is known of what its pretraining is worth."
    if set(CENTRED) <= scores.keys():
        return _centred_claim(*(scores[name]["loss"] for name in ("encoder", *CENTRED)))
    loss, common, own = (scores[name]["loss"] for name in ("encoder", "commonest_bin", "gene_own_bins"))
    told = (
        f"On held-out studies, which also chose its last step, its masked loss is {loss:.3f} nats a gene; "
        f"always the commonest bin has {common:.3f}, each gene's own bins {own:.3f}"
    )
    gain = min(common, own) - loss
    if gain > 0:
        return f"{told}: {gain:.3f} better than the better of these two, which never look at the sample."
    return f"{told}: it is no better than predictors that never look at the sample."


def _centred_claim(loss: float, nothing: float, linear: float) -> str:
    told = (
        f"On held-out studies, which also chose its last step, its loss on masked values is {loss:.3f}; the "
        f"study's own mean has {nothing:.3f}, a linear predictor, the corpus' covariance, {linear:.3f}"
    )
    if loss < linear:
        return f"{told}: it knows more than what is linear."
    return f"{told}: " + (
        "it is no better than the latter." if loss < nothing else "it knows nothing of use."
    )


def _guide_claim(guide: Mapping[str, Any]) -> str:
    n, accuracy = guide["n_scouts"], guide["mean_accuracy"]
    scouts = "1 scout was" if n == 1 else f"{n} scouts were"
    told = "" if accuracy is None else f", with a mean accuracy of {100 * accuracy:.0f} % on samples held out"
    return (
        f"Its guide tells which parameters moved while {scouts} trained to tell "
        f"{_groups(guide)} apart{told}; it does not tell which genes cause anything."
    )


def _gene_guide_claim(guide: Mapping[str, Any]) -> str:
    return (
        f"Its gene guide tells how much each of {guide['n_genes']} genes differs between "
        f"{_groups(guide)} ({guide['n_contrasts']} contrasts of {len(guide['studies'])} studies); it does "
        "not tell which genes cause anything."
    )


def _groups(guide: Mapping[str, Any]) -> str:
    """What its scouts told apart, in words."""
    return {
        "cluster_pairs": "pairs of sample clusters of the corpus",
        "graded": "pairs of sample clusters of the corpus, from easy to hard ones",
        "one_against_rest": "a sample cluster of the corpus and all others",
        "within_study": "groups of samples inside one study",
        "labelled": "labelled groups inside one study",
        "inside_study": "groups of samples inside one study, labelled where it has labels",
        "within_tissue": "sample clusters inside one tissue or study",
        "gene_sets": "samples with high and low activity of a gene set inside one study",
    }.get(guide["strategy"], "groups of samples")
