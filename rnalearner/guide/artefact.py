"""A guide to be read: what moved, how far and how alike over scouts, by tensor, by layer and by gene."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import scaled
from rnalearner.guide.versions import agreement, read_versions
from rnalearner.layout import RunLayout
from rnalearner.spreadsheet import write_csv

_OF_BLOCK = re.compile(r"performer\.net\.layers\.(\d+)\.(\d)\.")
TOLD = ("base_checkpoint", "strategy", "seed", "trained_blocks", "measure", "weighing", "scaling")
"""Of a guide's `meta`, what tells where it comes from."""


def write_artefact(layout: RunLayout, genes: Sequence[str]) -> None:
    """The tables of a run's guide, beside it."""
    versions = pd.DataFrame(
        [
            {"version": v.number, "scouts": len(v.members), "agreement": v.agreement, "sha256": v.sha256}
            for v in read_versions(layout)
        ]
    )
    for name, table in {"versions": versions, **guide_tables(Movement.load(layout.movement), genes)}.items():
        write_csv(layout.guide_table(name), table)


def guide_tables(movement: Movement, genes: Sequence[str] | None) -> dict[str, pd.DataFrame]:
    """What a movement tells by itself: tensors, layers, members and, where the genes are known, genes."""
    tables = {
        "tensors": by_tensor(movement),
        "layers": by_layer(movement),
        "members": pd.DataFrame([vars(member) for member in movement.members]),
    }
    return tables if genes is None else tables | {"genes": by_gene(movement, genes)}


def provenance(meta: Mapping[str, Any], runs: Sequence[str]) -> dict[str, Any]:
    """Where a guide comes from: its `meta`'s TOLD; version and parent (None for a merged one); scouts, how
    many; runs, the ids of theirs. `runs`: the run of every member."""
    told = {name: meta.get(name) for name in TOLD}
    version = {"version": meta.get("guide_version"), "parent": meta.get("parent")}
    return told | version | {"scouts": len(runs), "runs": list(dict.fromkeys(runs))}


def by_tensor(movement: Movement) -> pd.DataFrame:
    """A row a tensor, from the embedding up: layer, tensor, parameters, moved (root mean square over
    parameters and scouts), share of all squared movement, agreement over scouts."""
    squared, weight = movement.sums["squared"], movement.weight
    signed = movement.sums["signed"]
    total = sum(float(value.sum()) for value in squared.values())
    rows = [
        {
            "layer": layer_of(name),
            "tensor": name,
            "parameters": value.size,
            "moved": float(np.sqrt(value.mean() / weight)),
            "share": float(value.sum()) / total if total else 0.0,
            "agreement": _agreement(signed[name], value, weight),
        }
        for name, value in ((name, squared[name]) for name in sorted(squared, key=_depth))
    ]
    return pd.DataFrame(rows)


def by_layer(movement: Movement) -> pd.DataFrame:
    """The same by layer: a block's attention or feed-forward part, the final norm, an embedding."""
    rows = []
    signed, squared, weight = movement.sums["signed"], movement.sums["squared"], movement.weight
    total = sum(float(value.sum()) for value in squared.values())
    for layer in dict.fromkeys(layer_of(name) for name in sorted(squared, key=_depth)):
        own = [name for name in squared if layer_of(name) == layer]
        flat = np.concatenate([squared[name].ravel() for name in own])
        mean = np.concatenate([signed[name].ravel() for name in own])
        rows.append(
            {
                "layer": layer,
                "parameters": flat.size,
                "moved": float(np.sqrt(flat.mean() / weight)),
                "share": float(flat.sum()) / total if total else 0.0,
                "agreement": _agreement(mean, flat, weight),
            }
        )
    return pd.DataFrame(rows)


def by_gene(movement: Movement, genes: Sequence[str]) -> pd.DataFrame:
    """A row a gene, the one on which heads moved furthest first: gene, moved, times (the median gene).

    Every scout's head starts alike, so its weights on a gene mean the same in all of them.
    """
    moved_g = movement.moved_by_gene()
    table = pd.DataFrame({"gene": list(genes), "moved": moved_g})
    middle = float(np.median(moved_g))
    table["times_median"] = moved_g / middle if middle > 0 else np.nan
    return table.sort_values("moved", ascending=False, kind="stable", ignore_index=True)


def compared(one: Movement, other: Movement) -> dict[str, Any]:
    """How far two guides agree (rank correlation over parameters, over genes), and the scouts they share."""
    values = [scaled(movement.measured("squared"), "model_wide") for movement in (one, other)]
    same = values[0].keys() == values[1].keys() and all(
        values[0][name].shape == values[1][name].shape for name in values[0]
    )
    genes = [movement.moved_by_gene() for movement in (one, other)]
    members = [{(m.run, m.scout_id) for m in movement.members} for movement in (one, other)]
    return {
        "scouts": [len(m) for m in members],
        "shared_scouts": len(members[0] & members[1]),
        "same_base_checkpoint": one.base_checkpoint == other.base_checkpoint,
        "agreement": agreement(*values) if same else None,
        "agreement_of_genes": _ranks_agree(*genes) if len(genes[0]) == len(genes[1]) else None,
        "moved": [float(np.sqrt(np.mean([m.moved**2 for m in g.members]))) for g in (one, other)],
    }


def layer_of(name: str) -> str:
    """In words, from a parameter's name."""
    found = _OF_BLOCK.match(name)
    if found is None:
        return {"norm": "final norm"}.get(name.split(".")[0], name.split(".")[0].replace("_", " "))
    block, part = int(found[1]) + 1, ("attention", "feed-forward")[int(found[2])]
    return f"block {block}, {part}"


def _depth(name: str) -> tuple[int, int, int]:
    """Orders tensors as a sample meets them: embeddings, blocks by their number, the final norm."""
    found = _OF_BLOCK.match(name)
    if found is None:
        return (2 if name.startswith("norm.") else 0), 0, 0
    return 1, int(found[1]), int(found[2])


def _agreement(signed: np.ndarray, squared: np.ndarray, weight: float) -> float:
    """Squared mean movement over mean squared movement, each summed over the parameters."""
    total = float(squared.sum()) * weight
    return float(np.square(signed).sum()) / total if total else 0.0


def _ranks_agree(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's; 0 where one of them ranks nothing."""
    if len(np.unique(one)) < 2 or len(np.unique(other)) < 2:
        return 0.0
    return float(pd.Series(one).corr(pd.Series(other), method="spearman"))
