"""A guide told without a page: where it comes from, how it converged, what moved; and two compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnalearner.checkpoint import MANIFEST, load_meta
from rnalearner.config import load_recipe
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import InputError
from rnalearner.guide.artefact import by_gene, by_layer, compared, provenance
from rnalearner.guide.movement import Movement
from rnalearner.guide.versions import IN_A_ROW, converged, read_versions
from rnalearner.layout import RunLayout
from rnalearner.report.guide_section import gene_symbols, top_genes
from rnalearner.report.inputs import SCHEMAS, RunTables, read_table
from rnalearner.report.summary import json_safe
from rnalearner.shards.read import ShardStore

GENES = "genes.txt"
"""Beside a merged movement: its genes in their order, one a line."""


@dataclass(frozen=True, eq=False)
class ScoutedGuide:
    """A movement, and what lies beside it."""

    folder: Path
    movement: Movement
    meta: dict[str, Any]
    """The movement's, with version and parent of the guide that was made of it."""
    genes: tuple[str, ...] | None
    """In the order of the movement's; None where nobody here knows them."""
    run: RunLayout | None
    """None where it lies in no run."""


def read_guide(path: Path) -> ScoutedGuide:
    """Of a run's folder, a merged guide's, or a movement's own.

    Raises InputError where there is no movement, CheckpointError where it is damaged or of no scout.
    """
    where = path.resolve()
    places = (where, RunLayout(where).movement, where / "movement")
    folder = next((place for place in places if (place / MANIFEST).is_file()), None)
    if folder is None:
        remedy = "name a run that has scouted, a merged guide's folder, or a RUN/scout/movement"
        raise InputError(path, "holds no movement of scouts", remedy)
    movement, meta = Movement.load(folder), load_meta(folder)
    movement.measured()  # refuses one of no scout
    guide = folder.parent / "guide"
    if (guide / MANIFEST).is_file():
        told = load_meta(guide)
        meta |= {name: told.get(name) for name in ("guide_version", "parent")}
    run = RunLayout(folder.parent.parent)
    in_run = run.movement == folder
    return ScoutedGuide(folder, movement, meta, _genes(folder, run, meta), run if in_run else None)


def told(guide: ScoutedGuide) -> dict[str, Any]:
    """JSON-safe: provenance, versions (none where it lies in no run), guide_agreement of the run's recipe,
    layers, and genes: those on which heads moved furthest, none where they cannot be named."""
    runs = [member.run for member in guide.movement.members]
    recipe = None if guide.run is None or not guide.run.recipe.exists() else load_recipe(guide.run.recipe)
    versions = [] if guide.run is None else read_versions(guide.run)
    genes: list[dict[Any, Any]] = []
    if guide.genes is not None:
        table, symbols = by_gene(guide.movement, guide.genes), {}
        if guide.run is not None and recipe is not None:
            symbols = gene_symbols(RunTables(guide_genes=table, guided_genes=_linear(guide.run)), recipe)
        genes = top_genes(table, symbols)
    found = {
        "provenance": provenance(guide.meta, runs),
        "versions": [
            {"version": v.number, "scouts": len(v.members), "agreement": v.agreement, "sha256": v.sha256}
            for v in versions
        ],
        "guide_agreement": None if recipe is None else recipe.scouting.guide_agreement,
        "layers": by_layer(guide.movement).to_dict("records"),
        "genes": genes,
    }
    safe: dict[str, Any] = json_safe(found)
    return safe


def comparison(one: ScoutedGuide, other: ScoutedGuide) -> dict[str, Any]:
    """`compared`, JSON-safe, and same_genes; of two gene sets the agreement over genes is None."""
    found = compared(one.movement, other.movement)
    same = one.meta.get("gene_set") == other.meta.get("gene_set")
    if not same:
        found["agreement_of_genes"] = None
    safe: dict[str, Any] = json_safe(found | {"same_genes": same})
    return safe


def where_from(told: Mapping[str, Any]) -> list[str]:
    """A provenance in two sentences."""
    version = "Guide" if told["version"] is None else f"Guide, version {told['version']}"
    parent = f" (parent {told['parent'][:12]})" if told["parent"] else ""
    runs = f"run{'s' if len(told['runs']) > 1 else ''} {short_list(told['runs'])}"
    base = (told["base_checkpoint"] or "unknown")[:12]
    return [
        f"{version}{parent}: {counted(told['scouts'], 'scout')} of {runs}, from base checkpoint {base}.",
        f"Strategy {told['strategy']}, seed {told['seed']}, trained blocks {told['trained_blocks']}; measure "
        f"{told['measure']}, weighing {told['weighing']}, scaling {told['scaling']}.",
    ]


def course(versions: Sequence[Mapping[str, Any]], least: float | None) -> str:
    """How the versions of a guide came to agree, in words; `least` is what the recipe asks of them."""
    known = [version for version in versions if version["agreement"] is not None]
    if not known:
        return "Nothing is known of how it converged: there are no two versions of it here."
    first_at: dict[int, float] = {}
    for level in (0.9, 0.99, 0.999):
        if (reached := next((v["scouts"] for v in known if v["agreement"] >= level), None)) is not None:
            first_at[reached] = level  # the highest that it reached there
    steps = [f"{known[0]['agreement']:.4g} at {counted(known[0]['scouts'], 'scout')}"]
    between = {n: level for n, level in first_at.items() if known[0]["scouts"] < n < known[-1]["scouts"]}
    steps += [f"{level:g} first at {n}" for n, level in between.items()]
    if len(known) > 1:
        steps.append(f"{known[-1]['agreement']:.4g} at {known[-1]['scouts']}")
    said = f"Ranks of parameters agree with those of the version before: {', '.join(steps)}."
    if least is None or least == 1:
        return said
    enough = converged([version["agreement"] for version in known], least)
    return f"{said} {_ended(enough)} {least:g} {IN_A_ROW} times in a row, where scouting stops."


def in_sentences(found: Mapping[str, Any], names: Sequence[object]) -> list[str]:
    """A comparison in words; `names` are those of the two."""
    lines = [
        f"{name}: {counted(scouts, 'scout')}, which moved {moved:.3g} (root mean square)."
        for name, scouts, moved in zip(names, found["scouts"], found["moved"], strict=True)
    ]
    shared = f"they share {counted(found['shared_scouts'], 'scout')}"
    if found["same_base_checkpoint"]:
        lines.append(f"Both began at one base checkpoint; {shared}.")
    else:
        lines.append(f"They began at two base checkpoints, where a parameter means two things; {shared}.")
    if found["agreement"] is None:
        lines.append("In the one other tensors trained than in the other: parameters cannot be compared.")
    else:
        lines.append(f"Over parameters their ranks agree to {found['agreement']:.3f} (Spearman).")
    if found["agreement_of_genes"] is None:
        lines.append("They are of two gene sets: genes cannot be compared.")
    else:
        lines.append(f"Over genes their ranks agree to {found['agreement_of_genes']:.3f}.")
    return lines


def counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def short_list(ids: Sequence[str]) -> str:
    return ", ".join(name[:12] for name in ids)


def _ended(enough: bool) -> str:
    return "They reached" if enough else "They have not reached"


def _genes(folder: Path, run: RunLayout, meta: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Those that the run's shards or a list beside the movement name, if they are the movement's."""
    if run.movement == folder and run.shards.exists():
        found = ShardStore.open(run.shards).gene_set
    elif (folder.parent / GENES).is_file():
        found = GeneSet.from_file(folder.parent / GENES)
    else:
        return None
    return found.ids if found.sha256 == meta.get("gene_set") else None


def _linear(run: RunLayout) -> pd.DataFrame | None:
    path = run.linear("genes")
    return read_table(path, SCHEMAS["guided_genes"].split()) if path.exists() else None
