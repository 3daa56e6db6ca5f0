"""A corpus of recount3's real size in its own file layout, with a known answer, on two cores.

    python -m benchmarks.large_mirror --samples 205297 --folder /data/large

log2 CPM of a gene in a sample = tissue + study + loading * activity of its module + noise; reads are Poisson
around it, which with the noise spreads like a negative binomial; coverage = reads x mapped length. Genes come
in three kinds, so that half of them are silent in a bulk sample and some 15,000 have a mean CPM above 1.
Project sizes have recount3's heavy tail; every eighth sample is a single cell. Drawn, written and compressed
in blocks of genes: 20 MB a process, however large the project. A project that is written is kept;
the folder takes its name when all are. Last line: one JSON object.
"""

import argparse
import gzip
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv

from rnalearner.counts.recount3 import gene_file, metadata_file, sample_list_file
from rnalearner.counts.simulate import READ_LENGTHS, write_table
from rnalearner.counts.simulated_biology import tissue_name
from rnalearner.errors import RecipeError
from rnalearner.publish import publish_file, write_json

KINDS = ((0.24, 4.5, 2.2), (0.26, -2.0, 1.7), (0.50, -6.5, 1.8))
"""Share of the genes, mean and sd of their log2 CPM: expressed, faint, silent."""
TISSUE_SD, STUDY_SD, NOISE_SD = 0.8, 0.25, 0.6
"""In log2: of a gene between tissues, between a tissue's studies, within a study."""
STUDY_ACTIVITY_SD = 0.5
MEDIAN_SIZE, SIZE_SD, LARGEST = 12, 1.57, 3000
"""Samples in a project: log-normal, mean 41, as 416,803 mouse samples are in 10,088 projects."""
SINGLE_CELL_DEPTH, DROPOUT_READS = 0.05, 5.0
"""Reads of a cell as a share of a bulk sample's; a gene is caught with odds mean / DROPOUT_READS."""
MOST_ATTRIBUTES = 2000
"""Names that projects give their attributes: a few everywhere, most of them once."""
BLOCK = 2**20
"""Values drawn at a time."""
LEVEL = 1
BYTES_A_VALUE = 1.3
_BIOLOGY, _SIZES, _PROJECT = range(3)  # streams of the seed


@dataclass(frozen=True)
class LargeCorpus:
    """What is written follows from this alone."""

    n_samples: int
    n_genes: int = 55_421
    n_tissues: int = 30
    n_modules: int = 50
    single_cell_share: float = 0.125
    depth: float = 1.2e7
    """Median reads of a bulk sample."""
    seed: int = 0


class Project(NamedTuple):
    """One project: all of its samples are of one tissue and one modality."""

    number: int
    name: str
    n_samples: int
    tissue: int
    single_cell: bool

    @property
    def runs(self) -> list[str]:
        return [f"SRR{self.number + 1:05d}{sample:04d}" for sample in range(1, self.n_samples + 1)]


class Biology(NamedTuple):
    """What all projects share; natural logarithms. Half of the genes load on a module."""

    gene_ids: pa.Array
    ln_cpm_tg: np.ndarray
    module_g: np.ndarray
    loading_g: np.ndarray


def projects(corpus: LargeCorpus) -> list[Project]:
    """All projects in the order of their numbers; those of a smaller corpus come first, but for its last."""
    rng = _rng(corpus, _SIZES)
    drawn: list[Project] = []
    left, single_cells = corpus.n_samples, 0
    while left:
        size = min(left, LARGEST, max(1, round(MEDIAN_SIZE * np.exp(SIZE_SD * rng.standard_normal()))))
        number, tissue = len(drawn), int(rng.integers(corpus.n_tissues))
        # Whenever they fall behind their share: so it holds in every part of the corpus.
        single = single_cells < corpus.single_cell_share * (corpus.n_samples - left)
        drawn.append(Project(number, f"SRP{300_000 + number}", size, tissue, single))
        left -= size
        single_cells += size * single
    return drawn


@cache
def draw_biology(corpus: LargeCorpus) -> Biology:
    """Genes, modules and the tissues' profiles, whose CPM add up to a million."""
    rng, g = _rng(corpus, _BIOLOGY), corpus.n_genes
    shares, means, sds = (np.array(column) for column in zip(*KINDS, strict=True))
    kind_g = rng.choice(len(KINDS), g, p=shares)
    ln_tg = np.log(2) * (
        rng.normal(means[kind_g], sds[kind_g]) + rng.normal(0, TISSUE_SD, (corpus.n_tissues, g))
    )
    ln_tg += np.log(1e6) - np.log(np.exp(ln_tg).sum(axis=1, keepdims=True))
    sign_g = rng.choice([-1.0, 0.0, 0.0, 1.0], g)  # half of a module falls when it rises
    loading_g = np.log(2) * sign_g * rng.uniform(0.3, 0.8, g)
    versions = rng.integers(1, 16, g).tolist()
    gene_ids = pa.array([f"ENSMUSG{i:011d}.{version}" for i, version in enumerate(versions, start=1)])
    module_g = rng.integers(corpus.n_modules, size=g)
    return Biology(gene_ids, ln_tg.astype(np.float32), module_g, loading_g.astype(np.float32))


def write_mirror(folder: Path, corpus: LargeCorpus, n_workers: int = 2) -> dict[str, float]:
    """Write what is missing of `folder`; what is there is kept. Returns figures of what was written.

    Raises RecipeError where another corpus lies there, or the disk has no room.
    """
    parts = folder.with_name(f"{folder.name}.part")
    for place in (folder, parts):
        settings = place / "corpus.json"
        if settings.exists() and json.loads(settings.read_text()) != asdict(corpus):
            raise RecipeError(place, "another corpus lies there", "delete it, or name another folder")
    all_projects = projects(corpus)
    n_projects = len(all_projects)
    if (folder / "answer.json").exists():
        return {"projects": n_projects, "written_samples": 0, "seconds": 0.0}
    parts.mkdir(parents=True, exist_ok=True)
    for stale in parts.rglob(".*.gz"):
        stale.unlink()
    due = [project for project in all_projects if not gene_file(parts, project.name).exists()]
    n_due = sum(project.n_samples for project in due)
    needed, free = n_due * corpus.n_genes * BYTES_A_VALUE, shutil.disk_usage(parts).free
    if free < needed:
        what = f"has {free / 1e9:.1f} GB left of the {needed / 1e9:.1f} GB that are still to be written"
        raise RecipeError(parts, what, "make room, or name a folder on another disk")
    write_json(parts / "corpus.json", asdict(corpus))
    begun, done = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, context) as pool:
        for done, written in enumerate(pool.map(partial(write_project, parts, corpus), due), start=1):
            if done % 100 == 0:
                print(
                    f"project {done} of {len(due)}, {written}: {time.monotonic() - begun:.0f} s",
                    file=sys.stderr,
                )
    rows = [row for project in all_projects for row in _project_rows(project)]
    write_table(sample_list_file(parts), [_PROJECT_COLUMNS, *rows], LEVEL)
    write_json(parts / "answer.json", {"projects": [project._asdict() for project in all_projects]})
    os.replace(parts, folder)
    return {
        "projects": n_projects,
        "written_samples": n_due,
        "seconds": time.monotonic() - begun,
    }


def write_project(mirror: Path, corpus: LargeCorpus, project: Project) -> str:
    """Write one project; its gene file last: where it lies, the project is whole. Returns its name."""
    rng, biology = _rng(corpus, _PROJECT, project.number), draw_biology(corpus)
    length = int(rng.choice(READ_LENGTHS))
    path, runs = gene_file(mirror, project.name), project.runs
    schema = pa.schema([("gene_id", pa.string()), *((run, pa.int64()) for run in runs)])
    plain = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    auc_n, first = np.zeros(project.n_samples, dtype=np.int64), 0
    with publish_file(path) as temporary:
        with (
            temporary.open("wb") as file,
            # No name and no time inside, so that equal seeds give equal bytes.
            gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed,
        ):
            header = "\t".join(["gene_id", *runs])
            packed.write(f"##annotation=M023\n##date.generated=2019-10-01\n{header}\n".encode())
            with csv.CSVWriter(packed, schema, write_options=plain) as table:
                for reads_nb in _read_blocks(project, corpus, biology, rng):
                    coverage_nb = reads_nb * length
                    auc_n += coverage_nb.sum(axis=1)
                    genes = biology.gene_ids.slice(first, coverage_nb.shape[1])
                    first += len(genes)
                    columns = [genes, *map(pa.array, coverage_nb)]
                    table.write_batch(pa.record_batch(columns, schema=schema))
        _write_metadata(mirror, project, length, auc_n, _attributes(project, rng))
    return project.name


def _read_blocks(
    project: Project, corpus: LargeCorpus, biology: Biology, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Reads of all samples, for BLOCK / n genes at a time."""
    n = project.n_samples
    activity_m = rng.normal(0, STUDY_ACTIVITY_SD, corpus.n_modules)
    activity_nm = (activity_m + rng.standard_normal((n, corpus.n_modules))).astype(np.float32)
    depth_n = corpus.depth * 2.0 ** (rng.normal(0, 0.5) + rng.normal(0, 0.3, n))
    if project.single_cell:
        depth_n *= SINGLE_CELL_DEPTH
    reads_a_cpm_n = (depth_n / 1e6).astype(np.float32)
    step = max(1, BLOCK // n)
    for start in range(0, corpus.n_genes, step):
        genes = slice(start, start + step)
        ln_b = biology.ln_cpm_tg[project.tissue, genes]
        ln_b = ln_b + np.float32(np.log(2) * STUDY_SD) * rng.standard_normal(len(ln_b), np.float32)
        mean_nb = rng.standard_normal((n, len(ln_b)), np.float32)
        mean_nb *= np.float32(np.log(2) * NOISE_SD)
        mean_nb += activity_nm[:, biology.module_g[genes]] * biology.loading_g[genes]
        mean_nb += ln_b
        np.exp(mean_nb, out=mean_nb)
        mean_nb *= reads_a_cpm_n[:, None]
        reads_nb = rng.poisson(mean_nb)
        if project.single_cell:
            caught = rng.random(mean_nb.shape, np.float32) * (mean_nb + DROPOUT_READS) < mean_nb
            reads_nb *= caught
        yield reads_nb


_KEYS = ["rail_id", "external_id", "study"]
_PROJECT_COLUMNS = [*_KEYS, "project", "organism", "file_source", "metadata_source", "date_processed"]


def _keys(project: Project) -> list[list[str]]:
    return [[run.removeprefix("SRR"), run, project.name] for run in project.runs]


def _project_rows(project: Project) -> list[list[str]]:
    return [[*key, project.name, "Mus musculus", "sra", "sra", "2019-10-01"] for key in _keys(project)]


def _write_metadata(
    mirror: Path, project: Project, length: int, auc_n: np.ndarray, attributes: Sequence[str]
) -> None:
    kind = "scrna-seq" if project.single_cell else "rna-seq"
    lengths = [str(length)] * project.n_samples
    accessions = [run.replace("SRR", "SRS") for run in project.runs]
    tables = {
        "recount_qc": {
            "star.average_mapped_length": lengths,
            "bc_auc.all_reads_all_bases": map(str, auc_n.tolist()),
        },
        "recount_seq_qc": {"min_len": lengths, "max_len": lengths, "avg_len": lengths},
        "recount_pred": {"sample_acc": accessions, "pattern.predict.type": [kind] * project.n_samples},
        "sra": {"sample_acc": accessions, "sample_attributes": attributes},
    }
    write_table(
        metadata_file(mirror, project.name, "recount_project"),
        [_PROJECT_COLUMNS, *_project_rows(project)],
        LEVEL,
    )
    for table, columns in tables.items():
        rows = zip(_keys(project), *columns.values(), strict=True)
        body = [[*key, *cells] for key, *cells in rows]
        write_table(metadata_file(mirror, project.name, table), [[*_KEYS, *columns], *body], LEVEL)


def _attributes(project: Project, rng: np.random.Generator) -> list[str]:
    """SRA's own form: key;;value|key;;value; two attributes as every project has its own."""
    numbers = np.minimum(rng.zipf(1.3, 2), MOST_ATTRIBUTES).tolist()
    own = "|".join(f"attribute {number};;{project.name}" for number in numbers)
    tissue = tissue_name(project.tissue)
    return [
        f"tissue;;{tissue}|subject;;{project.name}_M{sample:04d}|{own}"
        for sample in range(1, project.n_samples + 1)
    ]


def _rng(corpus: LargeCorpus, stream: int, number: int = 0) -> np.random.Generator:
    return np.random.default_rng([corpus.seed, stream, number])


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--samples", type=int, default=205_297)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    corpus = LargeCorpus(asked.samples, seed=asked.seed)
    figures = write_mirror(asked.folder, corpus, asked.workers)
    n_bytes = sum(path.stat().st_size for path in asked.folder.rglob("*.gz"))
    values = asked.samples * corpus.n_genes
    told = figures | {
        "samples": asked.samples,
        "gigabytes": n_bytes / 1e9,
        "bytes_a_value": n_bytes / values,
        "ns_a_value": 1e9 * figures["seconds"] / max(1, figures["written_samples"] * corpus.n_genes),
    }
    print(json.dumps({name: round(float(value), 3) for name, value in told.items()}))


if __name__ == "__main__":
    main()
