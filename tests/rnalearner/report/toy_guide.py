"""A guide small enough to work out by hand: all scouts move the queries alike, every other one each norm.

Of four scouts, by tensor: queries moved 1 in each of 2 parameters (rms 1, a third of all squared movement,
agreement 1); the final norm by 2 in one of 2 (rms sqrt 2, two thirds, (4^2 + 4^2) / (4 x 16) = 1/2).
Heads moved 3 on the first gene, 0 on the second, 1 on the third and last.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnalearner.counts.genes import GeneSet
from rnalearner.guide.artefact import write_artefact
from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.layout import RunLayout
from rnalearner.publish import write_json
from rnalearner.scouts.delta import EpisodeResult, WeightDelta, rms
from tests.rnalearner.report.conftest import GENES

NORM, QUERIES = "norm.weight", "performer.net.layers.0.0.fn.to_q.weight"
BASE, RUN = "b" * 64, "12345678901234567890123456789012"
"""An id that looks like a number must stay what it is."""
AGREEMENTS = (None, 0.5, 0.9991, 0.9995)


def toy_delta(scout_id: int, run: str = RUN, base: str = BASE, genes: int = 3) -> WeightDelta:
    norm = [2.0, 0.0] if scout_id % 2 == 0 else [0.0, 2.0]
    deltas = {NORM: np.array(norm, np.float32), QUERIES: np.ones((1, 2), np.float32)}
    head_g = np.array([3.0, 0.0, *[1.0] * (genes - 2)], np.float32)
    ended = EpisodeResult(scout_id, f"pair {scout_id}", 40, 10, 2.0, 20, 0.75, 0.3, True, rms(deltas))
    return WeightDelta(run, scout_id, 2, 20, 40, base, "", deltas, head_g, ended)


def toy_movement(scout_ids: Iterable[int] = range(4), **other: Any) -> Movement:
    movement = Movement(other.get("base", BASE))
    for scout_id in scout_ids:
        movement.add(toy_delta(scout_id, **other), f"{scout_id:064x}")
    return movement


def toy_meta(genes: Sequence[str] = GENES, **other: Any) -> dict[str, Any]:
    """As scouting writes it."""
    same = {"gene_set": GeneSet(tuple(genes)).sha256, "scale": "log2p1_cpm", "n_bins": 7, "model": {"dim": 2}}
    how = {"measure": "squared", "scaling": "per_tensor", "weighing": "evenly", "strategy": "cluster_pairs"}
    return same | how | {"base_checkpoint": BASE, "run": RUN, "seed": 3, "trained_blocks": 1} | other


def write_guide(
    layout: RunLayout, scout_ids: Sequence[int] = range(4), genes: Sequence[str] = GENES, **other: Any
) -> Path:
    """Movement, guide, versions and tables of a run's scouting; returns the run's folder.

    `other`: of `toy_meta`, where the run's id and base checkpoint are the deltas' as well.
    """
    meta = toy_meta(genes, **other)
    movement = toy_movement(scout_ids, run=meta["run"], base=meta["base_checkpoint"], genes=len(genes))
    movement.save(layout.movement, meta)
    values = scaled(movement.measured(meta["measure"]), meta["scaling"])
    told = {"guide_version": len(scout_ids), "parent": f"{3:064d}", "scouts": list(scout_ids)}
    Guide(values, meta | told).save(layout.guide)
    for number, agreement in enumerate(AGREEMENTS[: len(scout_ids)], start=1):
        version = {"number": number, "sha256": f"{number:064d}", "parent": "", "agreement": agreement}
        write_json(layout.guide_version(number), version | {"members": list(scout_ids)[:number]})
    write_artefact(layout, genes)
    return layout.root
