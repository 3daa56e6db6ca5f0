"""From sources to shards: studies side by side, each shard a piece of work that is kept once it is done."""

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from rnalearner.config import RunConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.counts.measured import MeasuredGenes
from rnalearner.counts.recount3 import Recount3Source
from rnalearner.counts.source import Source
from rnalearner.counts.vectors import genes_with_vectors
from rnalearner.each import Each, in_this_process, one_by_one
from rnalearner.errors import CountsError
from rnalearner.shards.manifest import Manifest, ShardEntry, manifest_name, versions
from rnalearner.shards.measure import measure
from rnalearner.shards.obs import frequent_columns, joined_obs, with_columns
from rnalearner.shards.piece import Store, StudyReport, piece_obs, write_piece
from rnalearner.shards.plan import Piece, plan_pieces
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import finish_folder

OnStudy = Callable[[int, int, str], None]


def build_shards(
    sources: Sequence[Source],
    config: RunConfig,
    folder: Path,
    on_study: OnStudy,
    wide_folder: Path | None = None,
    each: Each = one_by_one,
) -> tuple[GeneSet, list[StudyReport]]:
    """Read every study, drop poor samples, align to the panel and write `folder`.

    Without a panel file the corpus' bulk samples outside every task choose the genes, in a first
    pass. `wide_folder` gets the same samples with the wide genes (counts.measured), on the scale
    log2p1_cpm whatever the recipe's is. What an interrupted call had done, of files that did not change
    since, is not done again. Returns the gene set and a report a study: what was read, what was dropped
    and why. Raises GeneError for a study that measures too little of the panel, CountsError where no
    sample is kept.
    """
    pieces = _planned(sources, config)
    work = folder.with_name("pieces")
    panel, wide = _gene_sets(sources, pieces, config, work, on_study, wide_folder is not None, each)
    stores = [Store(folder, panel, config.preprocessing)]
    if wide_folder is not None and wide is not None:
        scale = config.preprocessing.model_copy(update={"scale": "log2p1_cpm"})
        stores.append(Store(wide_folder, wide, scale))
    for store in stores:
        for version in versions(store.folder):
            (store.folder / manifest_name(version)).unlink()
    reports = _fill(stores, sources, pieces, config, work, on_study, each)
    return panel, reports


def grow_shards(
    sources: Sequence[Source],
    config: RunConfig,
    folder: Path,
    on_study: OnStudy,
    known_studies: Collection[str] = (),
    wide_folder: Path | None = None,
    each: Each = one_by_one,
) -> tuple[Manifest, list[StudyReport]]:
    """Add the studies that the sources have and the shards lack; what is there keeps its bytes.

    `known_studies` were read before, though perhaps no sample of theirs was kept.

    The genes stay as they are. Returns the newest manifest, and the reports of the new studies: none
    where there was nothing to add.
    """
    places = [place for place in (folder, wide_folder) if place is not None]
    # An addition that was interrupted between two folders never took place.
    common = min(max(versions(place), default=1) for place in places)
    for place in places:
        for version in versions(place):
            if version > common:
                (place / manifest_name(version)).unlink()
    stores = [_to_grow(place) for place in places]
    known = set(ShardStore.open(folder).obs["study"]) | set(known_studies)
    for source in sources:
        if isinstance(source, Recount3Source):
            source.read_before = frozenset(known)
    shards = [shard for store in stores if store.before is not None for shard in store.before.shards]
    first = 1 + max(shard.number for shard in shards)
    pieces = _planned(sources, config, known, first)
    reports: list[StudyReport] = []
    if pieces:
        reports = _fill(stores, sources, pieces, config, folder.with_name("pieces"), on_study, each)
    return Manifest.load(folder)[0], reports


def _to_grow(folder: Path) -> Store:
    manifest, gene_set = Manifest.load(folder)
    return Store(folder, gene_set, manifest.preprocessing, manifest)


def _planned(
    sources: Sequence[Source], config: RunConfig, known: set[str] | None = None, first: int = 0
) -> list[Piece]:
    sizes = [
        (s, source.n_samples(s)) for source in sources for s in source.studies() if s not in (known or ())
    ]
    return plan_pieces(sizes, config.shards.rows_per_shard, first)


def _gene_sets(
    sources: Sequence[Source],
    pieces: Sequence[Piece],
    config: RunConfig,
    work: Path,
    on_study: OnStudy,
    with_wide: bool,
    each: Each,
) -> tuple[GeneSet, GeneSet | None]:
    """The model's panel and, if asked for, the wide genes; one pass for both, none where none is needed."""
    given = config.data.panel
    panel = None if given is None else GeneSet.from_file(config.data.root / given)
    if panel is not None and not with_wide:
        return panel, None
    in_task = {study for task in config.tasks for study in task.studies}
    studies = [(source, study) for source in sources for study in source.studies()]
    teaching = {study for source, study in studies if source.role == "corpus" and study not in in_task}
    choosing = teaching or {study for _, study in studies}  # only the user's own tables: they choose together
    read = {study for _, study in studies if with_wide or study in choosing}
    read_pieces = [Piece(p.number, tuple(s for s in p.studies if s in read)) for p in pieces]
    told = _Told(on_study, len(read), "genes of ")
    job = partial(measure, sources=sources, teaching=teaching, choosing=choosing, work=work)
    found = MeasuredGenes()
    for piece, path in zip(read_pieces, each(told.heard(job, each), read_pieces), strict=True):
        found.merge(MeasuredGenes.load(path))
        told.done(piece)
    if panel is None:
        limits = config.data.panel_prevalence, config.data.panel_min_cpm
        panel = found.panel(*limits)
        if config.data.panel_vectors is not None:
            panel = found.panel(*limits, among=genes_with_vectors(panel, config.data, config.gene2vec))
    return panel, found.wide() if with_wide else None


def _fill(
    stores: Sequence[Store],
    sources: Sequence[Source],
    pieces: Sequence[Piece],
    config: RunConfig,
    work: Path,
    on_study: OnStudy,
    each: Each,
) -> list[StudyReport]:
    """Write the pieces, then the tables of samples and the manifests; only these make the shards count."""
    told = _Told(on_study, sum(len(piece.studies) for piece in pieces))
    job = partial(write_piece, stores=stores, sources=sources, config=config, work=work)
    reports: list[StudyReport] = []
    entries: dict[Path, list[ShardEntry]] = defaultdict(list)
    for piece, result in zip(pieces, each(told.heard(job, each), pieces), strict=True):
        reports += result.reports
        for store, entry in zip(stores, result.entries, strict=True):
            entries[store.folder] += [entry] if entry is not None else []
        told.done(piece)
    kept = [piece for piece in pieces if piece_obs(work, piece).is_file()]
    if not kept:
        if all(store.before is None for store in stores):
            raise _none_kept(reports)
        return reports
    columns = frequent_columns((_read_obs(work, piece) for piece in kept), {t.column for t in config.tasks})
    obs = joined_obs([with_columns(_read_obs(work, piece), columns) for piece in kept])
    for store in stores:
        finish_folder(
            store.folder, store.gene_set, store.preprocessing, obs, entries[store.folder], store.before
        )
    shutil.rmtree(work, ignore_errors=True)
    return reports


class _Told:
    """Counts the studies of a pass: as they begin, where that can be heard of, else piece by piece."""

    def __init__(self, on_study: OnStudy, total: int, what: str = "") -> None:
        self._on_study, self._total, self._what = on_study, total, what
        self._begun: set[str] = set()
        self._lock = threading.Lock()

    def heard(self, job: "partial[Any]", each: Each) -> "partial[Any]":
        return partial(job, on_study=self._begins) if in_this_process(each) else job

    def _begins(self, study: str) -> None:
        with self._lock:
            self._on_study(len(self._begun), self._total, self._what + study)
            self._begun.add(study)

    def done(self, piece: Piece) -> None:
        with self._lock:
            self._begun.update(piece.studies)
            if len(self._begun) == self._total:
                self._on_study(self._total, self._total, "done")


def _read_obs(work: Path, piece: Piece) -> pd.DataFrame:
    return pd.read_parquet(piece_obs(work, piece))


def _none_kept(reports: Sequence[StudyReport]) -> CountsError:
    """Said here: the report of what was dropped is not written where nothing was kept."""
    first = next((r for r in reports if r["dropped"]), None)
    if first is None:
        left_out = next((r["left_out"] for r in reports if "left_out" in r), "give tables with samples")
        return CountsError("data", "no study has a sample that can be used", left_out)
    drop = first["dropped"][0]
    what = f"no sample was kept; {drop['sample']} of {first['study']} {drop['reason']}"
    return CountsError("data", what, "check the tables, or lower preprocessing.min_expressed_genes")
