"""The first pass: what is known of each gene, a piece at a time, kept once it is done."""

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from rnalearner.counts.measured import MeasuredGenes, summed_cpm
from rnalearner.counts.source import Source
from rnalearner.errors import UnusableStudyError
from rnalearner.publish import publish_file
from rnalearner.shards.piece import OnStudy, stamps
from rnalearner.shards.plan import Piece


def measure(
    piece: Piece,
    sources: Sequence[Source],
    teaching: Collection[str],
    choosing: Collection[str],
    work: Path,
    on_study: OnStudy | None = None,
) -> Path:
    """Sums over the piece's bulk samples, as a file of `work`; read again only where its files changed.

    `on_study` is told of each study that is begun.
    """
    by_study = {study: source for source in sources for study in source.studies()}
    roles = [(study, study in teaching, study in choosing) for study in piece.studies]
    basis = hashlib.sha256(json.dumps([roles, stamps(piece, by_study)]).encode()).hexdigest()
    path = work / f"genes-{piece.number:05d}-{basis[:16]}.parquet"
    if path.is_file():
        return path
    found = MeasuredGenes()
    for study, teaches, chooses in roles:
        if on_study is not None:
            on_study(study)
        _count(found, by_study[study], study, teaches, chooses)
    with publish_file(path) as temporary:
        found.save(temporary)
    return path


def _count(found: MeasuredGenes, source: Source, study: str, teaches: bool, chooses: bool) -> None:
    n, genes, cpm_sum_g = 0, None, None
    try:
        for block in source.blocks(study):
            bulk_n = (block.obs["modality"] == "bulk").to_numpy()
            if bulk_n.any():
                counts_ng = block.layers["counts"] if bulk_n.all() else block.layers["counts"][bulk_n]
                cpm_g = summed_cpm(np.asarray(counts_ng), block.obs["total"].to_numpy(float)[bulk_n])
                n, genes = n + int(bulk_n.sum()), block.var_names
                cpm_sum_g = cpm_g if cpm_sum_g is None else cpm_sum_g + cpm_g
    except UnusableStudyError:
        return  # told where its samples would be written
    if genes is not None and cpm_sum_g is not None:
        found.add(genes, n, cpm_sum_g, teaches, chooses)
