"""What is seen of a table at once, as the API shows it. Shapes: n samples."""

from collections.abc import Sequence

import anndata
import numpy as np

from rnalearner.clustering.glance import Similarity, components, divides, name_parts, partition, separations
from rnalearner.counts.sheet import as_text
from service.schemas.looks import (
    MOST_SHEET_COLUMNS,
    MOST_SHEET_SAMPLES,
    DatasetLook,
    Grouping,
    SheetCells,
)

MOST_SAMPLES, MOST_LETTERS = 1000, 200
COUNTED = ("total", "n_expressed")
"""Columns of obs that reading adds."""
_MOST_IN_MATRIX, _MOST_GROUPINGS = 100, 12
_SEED = 0
"""Of the shuffles by which a batch is suspected: the same table is told the same each time."""


def look_at(
    samples: anndata.AnnData, alike: Similarity, label: str | None, subject: str | None
) -> DatasetLook:
    """`label` and `subject` are columns of obs: what neither of them says may be a batch."""
    names, obs = [str(name) for name in samples.obs_names], samples.obs
    known = {str(name): as_text(obs[name]).tolist() for name in obs if name not in COUNTED}
    found = components(alike)
    values_of = {
        name: values
        for name, values in list(known.items())[:MOST_SHEET_COLUMNS]
        if name not in (label, subject) and divides(values) and clean(name) == name
    }
    columns = set(values_of)
    said = {partition(values) for values in known.values()}
    values_of |= {
        name: values
        for name, values in name_parts(names).items()
        if partition(values) not in said and name not in known
    }
    labels = known[label] if label is not None else None
    told, batch = separations(found, values_of, labels, np.random.default_rng(_SEED))
    groupings = [
        Grouping(
            name=name,
            kind="column" if name in columns else "name part",
            values=list(map(clean, values_of[name])),
            share=round(told[name].share, 4),
            confounded=told[name].confounded,
        )
        for name in sorted(told, key=lambda name: -told[name].share)
    ]
    few = len(names) <= _MOST_IN_MATRIX
    return DatasetLook(
        samples=list(map(clean, names)),
        totals=obs["total"].tolist(),
        n_expressed=obs["n_expressed"].tolist(),
        components=found.scores_nk.round(4).tolist(),
        explained=found.explained_k.round(5).tolist(),
        correlation=alike.correlation_nn.round(5).tolist() if few else None,
        groupings=groupings[:_MOST_GROUPINGS],
        batch=batch,
        sheet=_cells(names, known),
    )


def clean(name: str) -> str:
    """Bounded, and text that JSON and both databases can hold."""
    return str(name)[:MOST_LETTERS].encode(errors="replace").decode().replace("\0", "\ufffd")


def _cells(names: Sequence[str], known: dict[str, list[str]]) -> SheetCells | None:
    """None where they are too many, or where some would have to be shown otherwise than they are."""
    if len(names) > MOST_SHEET_SAMPLES or len(known) > MOST_SHEET_COLUMNS:
        return None
    if any(clean(text) != text for texts in (names, known, *known.values()) for text in texts):
        return None
    return SheetCells(
        columns=list(known),
        cells=[list(row) for row in zip(*known.values(), strict=True)] or [[] for _ in names],
    )
