"""The known answer behind a simulated compendium: genes, modules, tissues, and what each study does.

Shapes: g genes, m modules, t tissues, n samples.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnalearner.config.data import SimulationConfig, TaskConfig
from rnalearner.counts.genes import without_version

TISSUES = ("muscle", "liver", "retina", "spleen", "kidney", "lung", "skin", "heart")
LOADING_LOG2 = (0.6, 1.2)
"""Range of |log2 change of a module's gene per sd of the module's activity|."""
TISSUE_SD_LOG2, BATCH_SD_LOG2, VARIANT_SD_LOG2, GENE_NOISE_SD_LOG2 = 0.6, 0.2, 0.1, 1.0
"""Spread of a gene between tissues; between studies of a tissue (laboratory, variant); within a study."""
STUDY_ACTIVITY_SD = 0.5
"""Spread of a module's mean activity between studies; within a study it is 1."""
DISPERSION = 0.15
"""Median of the negative binomial's dispersion: variance = mean + dispersion * mean^2."""

_BIOLOGY, _STUDY = 0, 1  # streams of the seed, so that adding a study moves no other


@dataclass(frozen=True)
class Biology:
    """What all studies share. A gene with `module_g` = -1 belongs to no module."""

    gene_ids: tuple[str, ...]
    """Versioned Ensembl ids."""
    tissue_log2_tg: np.ndarray
    """log2 of the mean expression in each tissue, up to a constant."""
    module_g: np.ndarray
    loading_g: np.ndarray
    """log2 change per unit of the module's activity; signed, 0 outside modules."""
    dispersion_g: np.ndarray


@dataclass(frozen=True)
class StudyDesign:
    """One simulated project."""

    project: str
    tissue: int
    modality: Literal["bulk", "single-cell"]
    n_samples: int
    shifted: tuple[int, ...] = ()
    """Modules whose activity is raised in the group `treated`; empty: the groups do not differ."""
    labels: tuple[str, str] | None = None
    """Names of the treated and the other group; None: the samples carry no label."""
    shift: float = 0.0
    """By how much, in sd of the activity within a study."""


def tissue_name(tissue: int) -> str:
    return TISSUES[tissue] if tissue < len(TISSUES) else f"tissue{tissue}"


def simulated_tasks(config: SimulationConfig) -> tuple[TaskConfig, ...]:
    """The three few-shot tasks of a simulated compendium; the last one has shuffled labels."""
    truths = (("flight_a", "signal"), ("flight_b", "signal"), ("shuffled", "shuffled"))
    tasks = []
    for number, (name, truth) in enumerate(truths, start=1):
        train, validation, test = (f"SRP9000{number}{part}" for part in (1, 2, 3))
        fields = {"name": name, "train": train, "validation": validation, "test": test, "truth": truth}
        tasks.append(TaskConfig.model_validate(fields))
    return tuple(tasks)


def task_modules(config: SimulationConfig) -> dict[str, tuple[int, ...]]:
    """Modules that each task's treatment shifts: two a true task where there are enough, none twice."""
    each = 2 if config.n_modules >= 4 else 1
    drawn = _rng(config, _BIOLOGY, 1).permutation(config.n_modules)[: 2 * each].tolist()
    return {"flight_a": tuple(drawn[:each]), "flight_b": tuple(drawn[each:]), "shuffled": ()}


def true_modules(config: SimulationConfig) -> tuple[tuple[str, ...], ...]:
    """Gene ids, without version, of every module."""
    biology = draw_biology(config)
    bare = np.array([without_version(gene) for gene in biology.gene_ids])
    return tuple(tuple(bare[biology.module_g == m].tolist()) for m in range(config.n_modules))


def draw_biology(config: SimulationConfig) -> Biology:
    """Genes, their modules and the tissues' profiles, from the seed alone."""
    rng = _rng(config, _BIOLOGY, 0)
    g = config.n_genes
    module_g = np.full(g, -1)
    in_module = rng.permutation(g)[: g // 2]
    module_g[in_module] = np.arange(len(in_module)) % config.n_modules
    # Half of a module's genes fall when it rises, so that no module is merely "more RNA".
    sign_g = np.where(rng.random(g) < 0.5, -1.0, 1.0)
    loading_g = np.where(module_g >= 0, sign_g * rng.uniform(*LOADING_LOG2, size=g), 0.0)
    tissue_log2_tg = rng.normal(0, 1.5, g) + rng.normal(0, TISSUE_SD_LOG2, (config.n_tissues, g))
    silent_tg = (rng.random((config.n_tissues, g)) < 0.1) & (module_g < 0)
    tissue_log2_tg[silent_tg] = -20.0
    dispersion_g = DISPERSION * 2.0 ** rng.normal(0, 0.5, g)
    gene_ids = tuple(
        f"ENSMUSG{number:011d}.{version}" for number, version in enumerate(rng.integers(1, 16, g), start=1)
    )
    return Biology(gene_ids, tissue_log2_tg, module_g, loading_g, dispersion_g)


def study_designs(config: SimulationConfig) -> list[StudyDesign]:
    """Every project of the compendium: the corpus first, then three a task.

    Two in three bulk corpus studies hold a contrast of their own (labels `treated`, `control`), as
    public studies do; over the corpus every module takes its turn.
    """
    rng = _rng(config, _BIOLOGY, 2)
    single_cell = round(config.single_cell_share * config.n_studies)
    turns = rng.permutation(config.n_modules).tolist()
    designs = []
    for number in range(config.n_studies):
        project, tissue = f"SRP{900101 + number}", number % config.n_tissues
        if number >= config.n_studies - single_cell:
            designs.append(StudyDesign(project, tissue, "single-cell", config.samples_per_study))
        elif number % 3 == 2:
            designs.append(StudyDesign(project, tissue, "bulk", config.samples_per_study))
        else:
            modules = tuple({turns[(2 * number + i) % config.n_modules]: None for i in (0, 1)})
            design = StudyDesign(
                project,
                tissue,
                "bulk",
                config.samples_per_study,
                modules,
                ("treated", "control"),
                1.5 * config.effect,
            )
            designs.append(design)
    modules_of = task_modules(config)
    for number, task in enumerate(simulated_tasks(config)):
        for project in task.studies:
            groups = (task.positive[0], task.negative[0])
            design = StudyDesign(
                project,
                number % config.n_tissues,
                "bulk",
                config.test_samples if project == task.test else config.task_samples,
                modules_of[task.name],
                groups,
                config.effect,
            )
            designs.append(design)
    return designs


def study_rng(config: SimulationConfig, project: str) -> np.random.Generator:
    """The project's own stream, whatever other projects there are."""
    return _rng(config, _STUDY, int(project.removeprefix("SRP")))


def _rng(config: SimulationConfig, stream: int, number: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, stream, number])
