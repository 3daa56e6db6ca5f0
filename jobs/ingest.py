"""Count tables to shards."""

from jobs.adopt import corpus_of_model
from jobs.downloads import downloaded
from jobs.phase import Figures, Progress
from jobs.workers import workers
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def ingest(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Read every source of the recipe, check it and the tasks, and write the shards of the run."""
    from rnalearner.counts.sources import open_sources
    from rnalearner.finetune.leaks import checked_tasks
    from rnalearner.publish import write_json
    from rnalearner.shards.build import build_shards
    from rnalearner.shards.read import ShardStore

    data, not_downloaded = downloaded(config.data, layout, progress)
    sources = open_sources(data, layout.simulated)
    with workers(config.ray) as each:
        gene_set, studies = build_shards(
            sources,
            config,
            layout.shards,
            lambda done, total, study: progress("studies", done, total, study),
            layout.wide_shards if config.data.wide else None,
            each,
        )
    write_json(layout.ingest_report, {"studies": studies})
    # Phase III asks for labels; a fault in them is told now, not after hours of training.
    store, learned_from = ShardStore.open(layout.shards), corpus_of_model(config)
    _, leaks = checked_tasks(store, config.tasks, config.data.allow_leak, learned_from)
    unusable = {study["study"]: study["left_out"] for study in studies if "left_out" in study}
    left_out = not_downloaded | unusable
    return {
        "studies": len(studies) - len(unusable),
        "samples": sum(study["n_kept"] for study in studies),
        "samples_dropped": sum(study["n_samples"] - study["n_kept"] for study in studies),
        "genes": len(gene_set),
    } | {name: told for name, told in (("leaks", leaks), ("left_out", left_out)) if told}
