"""A compendium with a known answer, written in recount3's own file layout.

log2 mean of a gene in a sample = tissue + study + loading * activity of its module + noise; counts are
negative binomial around it. One gene says little; a module's genes move together, in every study.
"""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnalearner.config.data import SimulationConfig
from rnalearner.counts import simulated_biology as known
from rnalearner.counts.genes import without_version
from rnalearner.counts.recount3 import gene_file, metadata_file, sample_list_file
from rnalearner.counts.simulated_biology import Biology, StudyDesign
from rnalearner.publish import publish_folder, write_json

READ_LENGTHS = (76, 101, 150, 202, 300)
"""Average mapped lengths in base pairs; whole numbers, so that coverage / length gives reads back."""
SINGLE_CELL_DEPTH = 0.005
"""Library size of a single cell, as a share of a bulk sample's."""


@dataclass(frozen=True)
class SimulatedStudy:
    """One project's samples: `counts_ng` in reads, `activity_nm` the modules' true activities."""

    design: StudyDesign
    runs: tuple[str, ...]
    labels: tuple[str, ...]
    subjects: tuple[str, ...]
    counts_ng: np.ndarray
    activity_nm: np.ndarray
    length_n: np.ndarray


def simulate(folder: Path, config: SimulationConfig) -> None:
    """Write the compendium and `answer.json`; an older `folder` is replaced once this one is whole."""
    biology = known.draw_biology(config)
    sample_list = [_PROJECT_COLUMNS]
    with publish_folder(folder) as mirror:
        for study in simulated_studies(config):
            _write_study(mirror, study, biology)
            sample_list += _project_rows(study)
        write_table(sample_list_file(mirror), sample_list)
        write_json(mirror / "answer.json", _answer(config, biology))


def simulated_studies(config: SimulationConfig) -> Iterator[SimulatedStudy]:
    """Every study of the compendium, one at a time."""
    biology = known.draw_biology(config)
    for design in known.study_designs(config):
        yield _draw_study(design, biology, config)


def _draw_study(design: StudyDesign, biology: Biology, config: SimulationConfig) -> SimulatedStudy:
    rng = known.study_rng(config, design.project)
    n, g = design.n_samples, config.n_genes
    treated_n = rng.permutation(n) < n // 2
    activity_m = rng.normal(0, known.STUDY_ACTIVITY_SD, config.n_modules)
    shift_m = design.shift * np.isin(np.arange(config.n_modules), design.shifted)
    activity_nm = activity_m + rng.normal(0, 1, (n, config.n_modules))
    activity_nm += np.outer(treated_n, shift_m)

    study_sd = np.hypot(known.BATCH_SD_LOG2, known.VARIANT_SD_LOG2)
    log2_g = biology.tissue_log2_tg[design.tissue] + rng.normal(0, study_sd, g)
    log2_ng = log2_g + activity_nm[:, biology.module_g] * biology.loading_g  # loading 0 outside modules
    log2_ng += rng.normal(0, known.GENE_NOISE_SD_LOG2, (n, g))
    share_ng = 2.0**log2_ng
    share_ng /= share_ng.sum(axis=1, keepdims=True)

    depth_n = config.depth * 2.0 ** (rng.normal(0, 0.5) + rng.normal(0, 0.3, n))
    if design.modality == "single-cell":
        depth_n *= SINGLE_CELL_DEPTH
    mean_ng = depth_n[:, None] * share_ng
    counts_ng = rng.poisson(mean_ng * rng.gamma(1 / biology.dispersion_g, biology.dispersion_g, (n, g)))
    if design.modality == "single-cell":
        counts_ng[rng.random((n, g)) < np.exp(-mean_ng / 10)] = 0  # dropout takes the faint genes

    number = design.project.removeprefix("SRP")
    groups = design.labels or ("", "")
    return SimulatedStudy(
        design=design,
        runs=tuple(f"SRR{number}{sample:04d}" for sample in range(1, n + 1)),
        labels=tuple(np.where(treated_n, *groups).tolist()),
        subjects=tuple(f"{design.project}_M{sample:02d}" for sample in range(1, n + 1)),
        counts_ng=counts_ng,
        activity_nm=activity_nm,
        length_n=np.full(n, rng.choice(READ_LENGTHS)),
    )


_KEYS = ["rail_id", "external_id", "study"]
_PROJECT_COLUMNS = [*_KEYS, "project", "organism", "file_source", "metadata_source", "date_processed"]


def _project_rows(study: SimulatedStudy) -> list[list[str]]:
    source = [study.design.project, "Mus musculus", "sra", "sra", "2019-10-01"]
    return [[*key, *source] for key in _key_rows(study)]


def _key_rows(study: SimulatedStudy) -> list[list[str]]:
    return [[run.removeprefix("SRR"), run, study.design.project] for run in study.runs]


def _write_study(mirror: Path, study: SimulatedStudy, biology: Biology) -> None:
    project, keys = study.design.project, _key_rows(study)
    coverage_gn = (study.counts_ng * study.length_n[:, None]).T
    rows = [[gene, *map(str, row)] for gene, row in zip(biology.gene_ids, coverage_gn.tolist(), strict=True)]
    header = [["##annotation=M023"], ["##date.generated=2019-10-01"], ["gene_id", *study.runs]]
    write_table(gene_file(mirror, project), header + rows)

    length_n, auc_n = study.length_n.astype(str), coverage_gn.sum(axis=0).astype(str)
    kind = "rna-seq" if study.design.modality == "bulk" else "scrna-seq"
    tables = {
        "recount_qc": (["star.average_mapped_length", "bc_auc.all_reads_all_bases"], [length_n, auc_n]),
        "recount_seq_qc": (["min_len", "max_len", "avg_len"], [length_n] * 3),
        "recount_pred": (
            ["sample_acc", "pattern.predict.type"],
            [_sample_accessions(study), [kind] * len(keys)],
        ),
        "sra": (["sample_acc", "sample_attributes"], [_sample_accessions(study), _attributes(study)]),
    }
    write_table(metadata_file(mirror, project, "recount_project"), [_PROJECT_COLUMNS, *_project_rows(study)])
    for table, (names, columns) in tables.items():
        body = [[*key, *row] for key, row in zip(keys, zip(*columns, strict=True), strict=True)]
        write_table(metadata_file(mirror, project, table), [_KEYS + names, *body])


def _sample_accessions(study: SimulatedStudy) -> list[str]:
    return [run.replace("SRR", "SRS") for run in study.runs]


def _attributes(study: SimulatedStudy) -> list[str]:
    """SRA's own form: key;;value|key;;value."""
    tissue = known.tissue_name(study.design.tissue)
    texts = []
    for label, subject in zip(study.labels, study.subjects, strict=True):
        pairs = {"tissue": tissue, "label": label, "subject": subject}
        texts.append("|".join(f"{key};;{value}" for key, value in pairs.items() if value))
    return texts


def write_table(path: Path, rows: Sequence[Sequence[str]], level: int = 6) -> None:
    """One of recount3's text files, gzipped."""
    text = "".join("\t".join(row) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    # No time stamp inside, so that equal seeds give equal bytes.
    path.write_bytes(gzip.compress(text.encode(), compresslevel=level, mtime=0))


def _answer(config: SimulationConfig, biology: Biology) -> dict[str, object]:
    loadings = {
        without_version(gene): value
        for gene, value in zip(biology.gene_ids, biology.loading_g.tolist(), strict=True)
    }
    shifted = known.task_modules(config)
    return {
        "modules": [{gene: loadings[gene] for gene in genes} for genes in known.true_modules(config)],
        "tasks": {
            task.name: {"truth": task.truth, "shifted_modules": shifted[task.name], "effect": config.effect}
            for task in known.simulated_tasks(config)
        },
        "studies": {
            design.project: {
                "tissue": known.tissue_name(design.tissue),
                "modality": design.modality,
                "shifted_modules": design.shifted,
            }
            for design in known.study_designs(config)
        },
    }
