"""From sources to shards, one study in memory at a time."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rnalearner.config import RunConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.counts.panel import PanelStatistics
from rnalearner.counts.sources import Source
from rnalearner.errors import CountsError, GeneError
from rnalearner.preprocessing.qc import quality
from rnalearner.shards.write import ShardWriter

MIN_MATCHED = 0.5
"""Share of the panel that a study must measure: below it, it is another species or kind of id."""

StudyReport = dict[str, Any]
OnStudy = Callable[[int, int, str], None]


def build_shards(
    sources: Sequence[Source], config: RunConfig, folder: Path, on_study: OnStudy
) -> tuple[GeneSet, list[StudyReport]]:
    """Read every study, drop poor samples, align to the panel and write `folder`.

    Without a panel file the corpus' bulk samples outside every task choose the genes, in a first
    pass. Returns the gene set and a report a study: what was read, what was dropped and why.
    Raises GeneError for a study that measures too little of the panel, CountsError where no sample
    is kept.
    """
    gene_set = _panel(sources, config, on_study)
    reports: list[StudyReport] = []
    studies = _studies(sources)
    with ShardWriter(folder, gene_set, config.preprocessing, config.shards) as writer:
        for done, (source, study) in enumerate(studies):
            on_study(done, len(studies), study)
            samples = source.read(study)
            keep_n, drops = quality(samples.obs, config.preprocessing)
            matched = sum(gene in gene_set.index for gene in samples.var_names)
            if matched < MIN_MATCHED * len(gene_set):
                raise GeneError(
                    f"study {study}",
                    f"measures {matched} of the panel's {len(gene_set)} genes",
                    "check species and gene ids, or choose a panel that these files share",
                )
            kept = samples[keep_n]
            if kept.n_obs:
                writer.add(gene_set.align(kept), kept.obs)
            reports.append(
                {
                    "study": study,
                    "role": source.role,
                    "n_samples": samples.n_obs,
                    "n_kept": kept.n_obs,
                    "dropped": [{"sample": d.sample, "reason": d.reason} for d in drops],
                    "panel_genes_measured": matched,
                    "read": dict(samples.uns.get("read_report", {})),
                }
            )
        if not any(report["n_kept"] for report in reports):
            raise _none_kept(reports)
        on_study(len(studies), len(studies), "done")
    return gene_set, reports


def _none_kept(reports: Sequence[StudyReport]) -> CountsError:
    """Said here: the report of what was dropped is not written where nothing was kept."""
    first = next((r for r in reports if r["dropped"]), None)
    if first is None:
        return CountsError("data", "no study has a sample", "give tables with samples")
    drop = first["dropped"][0]
    what = f"no sample was kept; {drop['sample']} of {first['study']} {drop['reason']}"
    return CountsError("data", what, "check the tables, or lower preprocessing.min_expressed_genes")


def _panel(sources: Sequence[Source], config: RunConfig, on_study: OnStudy) -> GeneSet:
    if config.data.panel is not None:
        return GeneSet.from_file(config.data.root / config.data.panel)
    in_task = {study for task in config.tasks for study in task.studies}
    statistics = PanelStatistics()
    studies = [(s, study) for s, study in _studies(sources) if s.role == "corpus" and study not in in_task]
    if not studies:  # only the user's own tables: they choose together
        studies = _studies(sources)
    for done, (source, study) in enumerate(studies):
        on_study(done, len(studies), f"genes of {study}")
        samples = source.read(study)
        bulk = samples[(samples.obs["modality"] == "bulk").to_numpy()]
        if bulk.n_obs:
            statistics.add(bulk)
    return statistics.choose(config.data.panel_prevalence, config.data.panel_min_cpm)


def _studies(sources: Iterable[Source]) -> list[tuple[Source, str]]:
    return [(source, study) for source in sources for study in source.studies()]
