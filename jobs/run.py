"""All phases in their order; each is skipped where it is already complete."""

from pathlib import Path

from jobs.explore import explore
from jobs.finetune import finetune
from jobs.gene2vec import gene2vec
from jobs.ingest import ingest
from jobs.phase import Figures, Phase, Progress, run_phase
from jobs.pretrain import pretrain
from jobs.report import report
from jobs.scout import scout
from rnalearner.config import RunConfig
from rnalearner.layout import PHASES, RunLayout
from rnalearner.publish import write_text


def _learned(config: RunConfig) -> tuple[str, ...]:
    """What the chosen arms start from: nothing learned, Phase I, or both phases."""
    if "guided" in config.finetune.arms:
        return ("scout",)
    return ("ingest",) if set(config.finetune.arms) == {"none"} else ("pretrain",)


def _before_pretrain(config: RunConfig) -> tuple[str, ...]:
    return ("gene2vec",) if config.model.path is None else ("ingest",)


def _before_scout(config: RunConfig) -> tuple[str, ...]:
    return ("explore", "pretrain") if config.model.path is None else ("pretrain",)


def _model(config: RunConfig) -> list[Path]:
    return [] if config.model.path is None else [config.model.path, config.model.path / "base_checkpoint"]


_ALL = (
    Phase(
        "ingest",
        ("data", "preprocessing", "shards", "tasks"),
        lambda c: (),
        ingest,
        lambda c: c.data.own_files(),
    ),
    Phase("explore", ("clustering", "figures"), lambda c: ("ingest",), explore),
    Phase("gene2vec", ("gene2vec", "model"), lambda c: ("ingest",), gene2vec),
    Phase("pretrain", ("pretrain",), _before_pretrain, pretrain, _model),
    Phase("scout", ("scouting",), _before_scout, scout, _model),
    Phase("finetune", ("finetune", "model", "tasks"), _learned, finetune),
    Phase("report", ("name",), lambda c: ("finetune",), report),
)
PIPELINE = {phase.name: phase for phase in _ALL}


def run_verb(
    verb: str, config: RunConfig, layout: RunLayout, progress: Progress, with_needs: bool = False
) -> dict[str, Figures]:
    """Run one phase, or all for "run"; returns the markers of what was asked for.

    `with_needs` runs first what a phase builds on, where that is not complete.
    """
    write_text(layout.recipe, config.model_dump_json(indent=2) + "\n")
    if verb == "run":
        asked = {"explore", *needed("report", config), "report"}
        chosen = [name for name in PHASES if name in asked]
    else:
        chosen = [*(needed(verb, config) if with_needs else ()), verb]
    markers: dict[str, Figures] = {}
    for name in chosen:
        markers[name], ran = run_phase(PIPELINE[name], PIPELINE, config, layout, progress)
        note = f"{markers[name]['seconds']:.0f} s" if ran else "already complete"
        progress(name, 1, 1, note)
    return markers


def needed(verb: str, config: RunConfig) -> list[str]:
    """Every phase that `verb` builds on, the first one first."""
    found: list[str] = []
    for name in PIPELINE[verb].needs(config):
        found += [before for before in (*needed(name, config), name) if before not in found]
    return found
