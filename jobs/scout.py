"""Phase II."""

from typing import TYPE_CHECKING

from jobs.adopt import adopt_guide
from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout

if TYPE_CHECKING:
    from rnalearner.scouts.train import ScoutProgress


def scout(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Scouts on Ray, a bar each, and the guide they make."""
    if config.model.path is not None:
        return adopt_guide(config, layout)
    import numpy as np
    import pandas as pd

    from cluster.scouting import run_scouting
    from rnalearner.publish import publish_file
    from rnalearner.scouts.task import make_tasks
    from rnalearner.shards.read import ShardStore

    store = ShardStore.open(layout.shards)
    clusters = pd.read_csv(layout.sample_clusters, index_col="row")
    rows = clusters.index.to_numpy()
    plan = make_tasks(
        config.scouting,
        rows,
        clusters["sample_cluster"].to_numpy(),
        store.obs.loc[rows, "study"].to_numpy(),
        store.values,
        np.random.default_rng(config.scouting.seed),
    )

    result = run_scouting(layout, config, plan.tasks, lambda scout: progress(*_bar(scout)))
    table = result.table(plan.tasks)
    with publish_file(layout.scouts) as temporary:
        table.to_csv(temporary, index=False)
    done = table[table["failed"] == ""]
    return {
        "scouts": len(done),
        "failed": len(table) - len(done),
        "converged": int(done["converged"].sum()),
        "mean_accuracy": round(float(done["accuracy"].mean()), 4),
        "left_out": list(plan.left_out),
    }


def _bar(scout: "ScoutProgress") -> tuple[str, int, int, str, dict[str, float]]:
    """A scout's ScoutProgress as a bar and its figures; a scout that converged early has a full bar."""
    ended = scout.status in ("SUCCEEDED", "FAILED", "STOPPED")
    done = scout.max_epochs if ended else scout.epoch
    told = "" if scout.accuracy is None else f", accuracy {scout.accuracy:.2f}"
    known = {"loss": scout.loss, "accuracy": scout.accuracy}
    figures = {name: value for name, value in known.items() if value is not None}
    return f"scout {scout.scout_id}", done, scout.max_epochs, f"{scout.name} {scout.status}{told}", figures
