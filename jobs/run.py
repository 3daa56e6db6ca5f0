"""All phases in their order; each is skipped where it is already complete."""

from jobs.explore import explore
from jobs.finetune import finetune
from jobs.gene2vec import gene2vec
from jobs.ingest import ingest
from jobs.phase import Figures, Phase, Progress, run_phase
from jobs.pretrain import pretrain
from jobs.report import report
from jobs.scout import scout
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout
from rnalearner.publish import write_text

_ALL = (
    Phase("ingest", ("data", "preprocessing", "shards", "tasks"), (), ingest, lambda c: c.data.own_files()),
    Phase("explore", ("clustering", "figures"), ("ingest",), explore),
    Phase("gene2vec", ("gene2vec", "model"), ("ingest",), gene2vec),
    Phase("pretrain", ("pretrain",), ("gene2vec",), pretrain),
    Phase("scout", ("scouting",), ("explore", "pretrain"), scout),
    Phase("finetune", ("finetune", "tasks"), ("scout",), finetune),
    Phase("report", ("name",), ("finetune",), report),
)
PIPELINE = {phase.name: phase for phase in _ALL}


def run_verb(verb: str, config: RunConfig, layout: RunLayout, progress: Progress) -> dict[str, Figures]:
    """Run one phase, or all for "run"; returns the markers of what was asked for."""
    write_text(layout.recipe, config.model_dump_json(indent=2) + "\n")
    markers: dict[str, Figures] = {}
    for phase in _ALL if verb == "run" else (PIPELINE[verb],):
        markers[phase.name], ran = run_phase(phase, PIPELINE, config, layout, progress)
        marker = markers[phase.name]
        note = f"{marker['seconds']:.0f} s" if ran else "already complete"
        progress(phase.name, 1, 1, note)
    return markers
