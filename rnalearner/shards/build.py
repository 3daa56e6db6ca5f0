"""From sources to shards, one study in memory at a time."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rnalearner.config import RunConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.counts.panel import PanelStatistics
from rnalearner.counts.sources import Source
from rnalearner.counts.wide import WideGenes
from rnalearner.errors import CountsError, GeneError
from rnalearner.preprocessing.qc import quality
from rnalearner.shards.write import ShardWriter

MIN_MATCHED = 0.5
"""Share of the panel that a study must measure: below it, it is another species or kind of id."""

StudyReport = dict[str, Any]
OnStudy = Callable[[int, int, str], None]


def build_shards(
    sources: Sequence[Source],
    config: RunConfig,
    folder: Path,
    on_study: OnStudy,
    wide_folder: Path | None = None,
) -> tuple[GeneSet, list[StudyReport]]:
    """Read every study, drop poor samples, align to the panel and write `folder`.

    Without a panel file the corpus' bulk samples outside every task choose the genes, in a first
    pass. `wide_folder` gets the same samples with the genes of `counts.wide`, on the scale
    log2p1_cpm whatever the recipe's is. Returns the gene set and a report a study: what was read,
    what was dropped and why. Raises GeneError for a study that measures too little of the panel,
    CountsError where no sample is kept.
    """
    gene_set, wide_set = _gene_sets(sources, config, on_study, wide_folder is not None)
    reports: list[StudyReport] = []
    studies = _studies(sources)
    with ExitStack() as open_writers:
        writers = [(gene_set, ShardWriter(folder, gene_set, config.preprocessing, config.shards))]
        if wide_folder is not None and wide_set is not None:
            scale = config.preprocessing.model_copy(update={"scale": "log2p1_cpm"})
            writers.append((wide_set, ShardWriter(wide_folder, wide_set, scale, config.shards)))
        for _, writer in writers:
            open_writers.enter_context(writer)
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
            for genes, writer in writers if kept.n_obs else ():
                writer.add(genes.align(kept), kept.obs)
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


def _gene_sets(
    sources: Sequence[Source], config: RunConfig, on_study: OnStudy, with_wide: bool
) -> tuple[GeneSet, GeneSet | None]:
    """The model's panel and, if asked for, the wide genes; one pass for both, none where none is needed."""
    given = config.data.panel
    panel = None if given is None else GeneSet.from_file(config.data.root / given)
    if panel is not None and not with_wide:
        return panel, None
    in_task = {study for task in config.tasks for study in task.studies}
    studies = _studies(sources)
    teaching = [study for source, study in studies if source.role == "corpus" and study not in in_task]
    choosing = teaching or [study for _, study in studies]  # only the user's own tables: they choose together
    read = [(s, study) for s, study in studies if with_wide or study in choosing]
    statistics, wide = PanelStatistics(), WideGenes()
    for done, (source, study) in enumerate(read):
        on_study(done, len(read), f"genes of {study}")
        samples = source.read(study)
        bulk = samples[(samples.obs["modality"] == "bulk").to_numpy()]
        if bulk.n_obs and panel is None and study in choosing:
            statistics.add(bulk)
        if bulk.n_obs and with_wide:
            wide.add(bulk, study in teaching)
    if panel is None:
        panel = statistics.choose(config.data.panel_prevalence, config.data.panel_min_cpm)
    return panel, wide.choose() if with_wide else None


def _studies(sources: Iterable[Source]) -> list[tuple[Source, str]]:
    return [(source, study) for source in sources for study in source.studies()]
