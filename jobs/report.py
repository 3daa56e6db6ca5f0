"""What was found: one HTML file, its figures, two JSON files and one h5ad file."""

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def report(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Write the report from what the phases left; the figures are its verdict."""
    import json
    import time

    import numpy as np
    import pandas as pd

    from rnalearner.preprocessing.normalize import log2p1_cpm
    from rnalearner.publish import write_json
    from rnalearner.report.page import write_report
    from rnalearner.shards.read import ShardStore

    begun = time.monotonic()
    store = ShardStore.open(layout.shards)
    scored = {task.train if task.test is None else task.test for task in config.tasks}
    rows = np.flatnonzero(store.obs["study"].isin(scored))
    values = pd.DataFrame(
        log2p1_cpm(*store.counts(rows)), index=store.obs.loc[rows, "sample"], columns=list(store.gene_set.ids)
    )
    progress("report", 0, 1)
    cohorts = {str(study): int(n) for study, n in store.obs["study"].value_counts().items()}
    page = write_report(layout, config, values=values, cohorts=cohorts)
    summary = json.loads((layout.report / "summary.json").read_text())
    summary["phases"]["report"] = {"seconds": round(time.monotonic() - begun, 2)}  # till now: all but its end
    write_json(layout.report / "summary.json", summary)
    return {"path": str(page), "verdict": summary["verdict"]}
