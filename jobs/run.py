"""All phases in their order; each is skipped where it is already complete."""

from collections.abc import Collection
from pathlib import Path

from jobs.explore import explore
from jobs.export import export
from jobs.finetune import finetune
from jobs.gene2vec import gene2vec, held_out, judged_by, naming_vectors, vector_files
from jobs.genes import genes
from jobs.grow import grow
from jobs.ingest import ingest
from jobs.linear import has_guide, linear
from jobs.phase import Figures, OnPhase, Phase, Progress, completed, on_one_host, run_phase
from jobs.predict import predict, predict_inputs
from jobs.pretrain import pretrain
from jobs.report import report
from jobs.scout import scout
from jobs.scouted import set_tables
from jobs.tune import tune, tuned_arm
from rnalearner.config import RunConfig
from rnalearner.config.scouting import BETWEEN_CLUSTERS
from rnalearner.layout import PHASES, RunLayout
from rnalearner.publish import write_text


def _learned(arms: Collection[str]) -> tuple[str, ...]:
    """What these arms start from: nothing learned, Phase I, or both phases."""
    if "guided" in arms:
        return ("scout",)
    return ("ingest",) if set(arms) == {"none"} else ("pretrain",)


def _before_pretrain(config: RunConfig) -> tuple[str, ...]:
    return ("gene2vec",) if config.model.path is None else ("ingest",)


def _before_scout(config: RunConfig) -> tuple[str, ...]:
    return ("explore", "pretrain") if config.model.path is None else ("pretrain",)


def _before_linear(config: RunConfig) -> tuple[str, ...]:
    return ("genes",) if has_guide(config) else ("ingest",)


def _reported(config: RunConfig) -> tuple[str, ...]:
    """Without an arm no encoder is wanted."""
    return ("linear", "finetune") if config.finetune.arms else ("linear",)


def _before_genes(config: RunConfig) -> tuple[str, ...]:
    between = config.genes.strategy in BETWEEN_CLUSTERS and config.model.path is None
    return ("explore",) if between else ("ingest",)


def _exported(config: RunConfig) -> tuple[str, ...]:
    learned = ("scout",) if config.export.guide else ("pretrain",)
    return (*learned, "genes") if config.export.gene_guide else learned


def _model(config: RunConfig) -> list[Path]:
    path = config.model.path
    return [] if path is None else [path, path / "base_checkpoint", path / "guide", path / "gene_guide"]


_ALL = (
    Phase(
        "ingest",
        ("data", "preprocessing", "shards", "tasks"),
        lambda c: (),
        ingest,
        lambda c: c.data.own_files(),
        also=naming_vectors,
        delivers=("studies.json",),
    ),
    Phase(
        "explore",
        ("clustering", "figures"),
        lambda c: ("ingest",),
        explore,
        lambda c: [c.clustering.onto] if c.clustering.onto else [],
        delivers=("*.csv", "components/*", "figures/*"),
    ),
    Phase(
        "genes",
        ("genes",),
        _before_genes,
        genes,
        lambda c: [*set_tables(c, c.genes), *_model(c)],
        delivers=("gene_guide/*",),
    ),
    Phase(
        "gene2vec",
        ("gene2vec", "model"),
        lambda c: ("ingest",),
        gene2vec,
        lambda c: [*judged_by(c), *vector_files(c)],
        also=held_out,
        delivers=("sets.csv",),
    ),
    Phase(
        "pretrain",
        ("pretrain",),
        _before_pretrain,
        pretrain,
        _model,
        delivers=("base_checkpoint/*", "metrics.csv"),
        spreads=True,
    ),
    Phase(
        "scout",
        ("scouting",),
        _before_scout,
        scout,
        lambda c: [*set_tables(c, c.scouting), *_model(c), *([c.scouting.onto] if c.scouting.onto else [])],
        delivers=("guide/*", "movement/*", "versions/*", "*.csv"),
        spreads=True,
    ),
    Phase(
        "linear",
        ("linear", "tasks"),
        _before_linear,
        linear,
        delivers=("*.csv", "classifiers/**/*"),
    ),
    Phase(
        "finetune",
        ("finetune", "model", "tasks"),
        lambda c: _learned(c.finetune.arms),
        finetune,
        delivers=("*.csv", "classifiers/**/*"),
        spreads=True,
    ),
    Phase(
        "tune",
        ("tune", "finetune", "model", "tasks"),
        lambda c: _learned((tuned_arm(c),)),
        tune,
        delivers=("trials.csv", "trials.svg", "best.toml"),
    ),
    Phase("report", ("name",), _reported, report, delivers=("*", "figures/*")),
    Phase(
        "predict",
        ("predict",),
        lambda c: (),
        predict,
        predict_inputs,
        delivers=("predictions.*", "answers.json"),
    ),
    Phase("export", ("export",), _exported, export, delivers=("model/**/*",)),
)
PIPELINE = {phase.name: phase for phase in _ALL}


def run_verb(
    verb: str,
    config: RunConfig,
    layout: RunLayout,
    progress: Progress,
    with_needs: bool = False,
    on_phase: OnPhase = lambda name, state, marker: None,
) -> dict[str, Figures]:
    """Run one phase, or all for "run", or add to the shards for "grow"; returns the markers.

    `with_needs` runs first what a phase builds on, where that is not complete.
    """
    if config.storage.url is not None:
        from rnalearner.storage import Storage

        Storage(config.storage.url).check()  # before hours of work
    if verb == "grow":
        return _grown(config, layout, progress)
    write_text(layout.recipe, config.model_dump_json(indent=2) + "\n")
    if verb == "run":
        asked = {"explore", *needed("report", config), "report"}
        chosen = [name for name in PHASES if name in asked]
    else:
        chosen = [*(needed(verb, config) if with_needs else ()), verb]
    markers: dict[str, Figures] = {}
    for name in chosen:
        if completed(PIPELINE[name], PIPELINE, config, layout) is None:
            on_phase(name, "running", {})
        markers[name], ran = run_phase(PIPELINE[name], PIPELINE, config, layout, progress)
        on_phase(name, "done" if ran else "complete", markers[name])
        note = f"{markers[name]['seconds']:.0f} s" if ran else "already complete"
        progress(name, 1, 1, note)
    return markers


def _grown(config: RunConfig, layout: RunLayout, progress: Progress) -> dict[str, Figures]:
    from rnalearner.shared import hand_on

    markers = grow(on_one_host(config), layout, progress, PIPELINE)
    write_text(layout.recipe, config.model_dump_json(indent=2) + "\n")
    hand_on(layout, config.storage, ["ingest"])
    return markers


def needed(verb: str, config: RunConfig) -> list[str]:
    """Every phase that `verb` builds on, the first one first."""
    found: list[str] = []
    for name in PIPELINE[verb].needs(config):
        found += [before for before in (*needed(name, config), name) if before not in found]
    return found
