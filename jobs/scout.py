"""Phase II."""

from typing import TYPE_CHECKING

from jobs.adopt import adopt_guide
from jobs.phase import Figures, Progress
from jobs.scouted import scouted_samples
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout

if TYPE_CHECKING:
    from rnalearner.scouts.delta import ScoutProgress


def scout(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Scouts on Ray, a bar each, and the guide they make."""
    if config.model.path is not None:
        return adopt_guide(config, layout)
    import numpy as np

    from cluster.scouting import run_scouting
    from rnalearner.guide.artefact import write_artefact
    from rnalearner.scouts.contrast import Contrast, LeftOut
    from rnalearner.scouts.strategies import contrasts
    from rnalearner.shards.read import ShardStore
    from rnalearner.spreadsheet import write_csv

    scouting, store = config.scouting, ShardStore.open(layout.shards)
    samples = scouted_samples(config, scouting, layout, store, with_clusters=True)
    made = list(contrasts(samples, scouting, scouting.n_scouts, np.random.default_rng(scouting.seed)))
    plan = [item for item in made if isinstance(item, Contrast)]
    left_out = [item.sentence for item in made if isinstance(item, LeftOut)]

    result = run_scouting(layout, config, plan, lambda scout: progress(*_bar(scout)))
    table = result.table(plan)
    write_csv(layout.scouts, table)
    write_artefact(layout, store.gene_set.ids)
    done = table[table["failed"] == ""]
    last = result.versions[-1]
    return {
        "scouts": len(done),
        "in_guide": len(last.members),
        "failed": len(result.failures),
        "converged": int(done["converged"].sum()),
        "mean_accuracy": round(float(done["accuracy"].mean()), 4),
        "guide_agreement": last.agreement,
        "guide_converged": result.converged,
        "left_out": left_out,
    }


def _bar(scout: "ScoutProgress") -> tuple[str, int, int, str, dict[str, float]]:
    """A scout's ScoutProgress as a bar and its figures; a scout that converged early has a full bar."""
    ended = scout.status in ("SUCCEEDED", "FAILED", "STOPPED")
    done = scout.max_rounds if ended else scout.round
    told = "" if scout.accuracy is None else f", accuracy {scout.accuracy:.2f}"
    known = {"loss": scout.loss, "accuracy": scout.accuracy}
    figures = {name: value for name, value in known.items() if value is not None}
    return f"scout {scout.scout_id}", done, scout.max_rounds, f"{scout.name} {scout.status}{told}", figures
