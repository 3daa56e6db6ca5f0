"""What was found, in one HTML file, one JSON file and one h5ad file."""

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def report(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Write the report from what the phases left; the figures are its verdict."""
    import json

    import numpy as np
    import pandas as pd

    from rnalearner.preprocessing.normalize import log2p1_cpm
    from rnalearner.report.page import write_report
    from rnalearner.shards.read import ShardStore

    store = ShardStore.open(layout.shards)
    rows = np.flatnonzero(store.obs["study"].isin({task.test for task in config.tasks}))
    values = pd.DataFrame(
        log2p1_cpm(*store.counts(rows)), index=store.obs.loc[rows, "sample"], columns=list(store.gene_set.ids)
    )
    progress("report", 0, 1)
    page = write_report(layout, config, values=values)
    summary = json.loads((layout.report / "summary.json").read_text())
    return {"path": str(page), "verdict": summary["verdict"]}
