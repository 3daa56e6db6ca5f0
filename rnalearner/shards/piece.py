"""One shard of some studies: read, checked, aligned, written, and kept by its record once it is done.

Shapes: n samples, g genes.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnalearner.config import RunConfig
from rnalearner.config.preprocessing import PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.counts.source import Source
from rnalearner.errors import CheckpointError, GeneError, UnusableStudyError
from rnalearner.preprocessing.qc import Drop, quality
from rnalearner.publish import publish_file, write_json
from rnalearner.shards.manifest import Manifest, ShardEntry, shard_name
from rnalearner.shards.obs import checked_obs, joined_obs
from rnalearner.shards.plan import Piece
from rnalearner.shards.write import ShardFile, shard_entry

MIN_MATCHED = 0.5
"""Share of the panel that a study must measure: below it, it is another species or kind of id."""

StudyReport = dict[str, Any]
OnStudy = Callable[[str], None]


@dataclass(frozen=True)
class Store:
    """Where shards go, and for which genes; `before`: what a folder that grows has already."""

    folder: Path
    gene_set: GeneSet
    preprocessing: PreprocessingConfig
    before: Manifest | None = None


@dataclass(frozen=True)
class PieceResult:
    reports: list[StudyReport]
    entries: list[ShardEntry | None]
    """One a store; None where no sample was kept."""


def write_piece(
    piece: Piece,
    stores: Sequence[Store],
    sources: Sequence[Source],
    config: RunConfig,
    work: Path,
    on_study: OnStudy | None = None,
) -> PieceResult:
    """Write the piece's shard into every store, unless that was done, and the files have not changed since.

    Its samples' obs and its record go into `work`, the record last. `on_study` is told of each study that
    is begun. Raises GeneError for a study that
    measures too little of the first store's genes, and what sources and ShardFile raise.
    """
    by_study = {study: source for source in sources for study in source.studies()}
    basis = _basis(piece, stores, by_study, config)
    record = work / f"{piece.number:05d}.json"
    done = _done(record, basis, stores)
    if done is not None:
        return done
    in_task = {study for task in config.tasks for study in task.studies}
    reports: list[StudyReport] = []
    frames: list[pd.DataFrame] = []
    with ExitStack() as stack:
        files = []
        for store in stores:
            target = store.folder / shard_name(piece.number)
            temporary = stack.enter_context(publish_file(target))
            file = ShardFile(temporary, store.gene_set, config.shards.rows_per_group)
            stack.callback(file.abandon)
            files.append((store, file))
        for study in piece.studies:
            if on_study is not None:
                on_study(study)
            reports.append(_add_study(study, by_study[study], files, frames, config, study in in_task))
        group_rows = [file.close() for _, file in files]
    entries: list[ShardEntry | None] = []
    for store, rows in zip(stores, group_rows, strict=True):
        path = store.folder / shard_name(piece.number)
        entries.append(shard_entry(path, rows) if rows else None)
        if not rows:
            path.unlink()
    if frames:
        with publish_file(piece_obs(work, piece)) as temporary:
            joined_obs(frames).to_parquet(temporary, index=False)
    dumped = [entry and entry.model_dump() for entry in entries]
    write_json(record, {"basis": basis, "reports": reports, "entries": dumped})
    return PieceResult(reports, entries)


def piece_obs(work: Path, piece: Piece) -> Path:
    """The samples of a piece, there only where some were kept."""
    return work / f"{piece.number:05d}.obs.parquet"


def stamps(piece: Piece, by_study: dict[str, Source]) -> list[list[Any]]:
    """Name, size and time of every file that a piece is made from."""
    paths = {path for study in piece.studies for path in by_study[study].files(study)}
    inside = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
    found = [(path, path.stat()) for path in sorted(inside) if path.is_file()]
    return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in found]


def _basis(piece: Piece, stores: Sequence[Store], by_study: dict[str, Source], config: RunConfig) -> str:
    """Hash of all that the piece's bytes depend on."""
    parts = [
        list(piece.studies),
        stamps(piece, by_study),
        [store.gene_set.sha256 for store in stores],
        config.preprocessing.model_dump(mode="json"),
        config.shards.model_dump(mode="json"),
        config.data.model_dump(mode="json"),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _done(record: Path, basis: str, stores: Sequence[Store]) -> PieceResult | None:
    try:
        stored = json.loads(record.read_text(encoding="utf-8"))
        if stored["basis"] != basis:
            return None
        entries = [entry and ShardEntry.model_validate(entry) for entry in stored["entries"]]
        for store, entry in zip(stores, entries, strict=True):
            if entry is not None:
                entry.check_size(store.folder)
    except (OSError, ValueError, KeyError, CheckpointError):
        return None
    return PieceResult(stored["reports"], entries)


def _add_study(
    study: str,
    source: Source,
    files: Sequence[tuple[Store, ShardFile]],
    frames: list[pd.DataFrame],
    config: RunConfig,
    asked_about: bool,
) -> StudyReport:
    report: StudyReport = {"study": study, "role": source.role, "n_samples": 0, "n_kept": 0, "dropped": []}
    panel = files[0][0].gene_set
    try:
        for block in source.blocks(study):
            keep_n, drops = quality(block.obs, config.preprocessing)
            matched = panel.n_measured(block.var_names)
            if matched < MIN_MATCHED * len(panel):
                what = f"measures {matched} of the panel's {len(panel)} genes"
                remedy = "check species and gene ids, or choose a panel that these files share"
                raise GeneError(f"study {study}", what, remedy)
            kept = block if keep_n.all() else block[keep_n]
            if kept.n_obs:
                obs = checked_obs(kept.obs, files[0][0].folder)
                for store, file in files:
                    file.add(store.gene_set.align(kept), obs)
                frames.append(obs)
            report["n_samples"] += block.n_obs
            report["n_kept"] += kept.n_obs
            report["dropped"] += [_told(drop) for drop in drops]
            report |= {"panel_genes_measured": matched, "read": dict(block.uns.get("read_report", {}))}
    except UnusableStudyError as error:
        if asked_about:
            raise
        report["left_out"] = f"{error.where}: {error.what}"
    return report


def _told(drop: Drop) -> dict[str, str]:
    return {"sample": drop.sample, "reason": drop.reason}
